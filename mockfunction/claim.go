package mockfunction

// Claim names streams that the script wants for itself. An empty field matches anything.
type Claim struct {
	// Service is the full name of the entity's or action's service.
	Service string
	// ID is the entity id; for an action it is the command's name.
	ID string
}

// matches reports whether the stream of owner falls under c.
func (c Claim) matches(owner Claim) bool {
	return (c.Service == "" || c.Service == owner.Service) && (c.ID == "" || c.ID == owner.ID)
}

// Claim keeps the behaviours away from the streams that c names, from now until release is called; claims may overlap. Streams
// that a behaviour answers already stay with it. Claim an entity before its first command, or the behaviour may be faster.
func (f *Function) Claim(c Claim) (release func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.claims[c]++
	released := false
	return func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		if released {
			return
		}
		released = true
		if f.claims[c]--; f.claims[c] == 0 {
			delete(f.claims, c)
		}
	}
}

// claimed reports whether the script wants the stream of owner.
func (f *Function) claimed(owner Claim) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.claims) == 0 {
		return false
	}
	for _, c := range []Claim{owner, {ID: owner.ID}, {Service: owner.Service}, {}} {
		if f.claims[c] > 0 {
			return true
		}
	}
	return false
}

// describe renders c for an error message.
func (c Claim) describe() string {
	switch {
	case c == Claim{}:
		return "of any kind"
	case c.Service == "":
		return "any service, id " + c.ID
	case c.ID == "":
		return c.Service + ", any id"
	}
	return c.Service + ", id " + c.ID
}
