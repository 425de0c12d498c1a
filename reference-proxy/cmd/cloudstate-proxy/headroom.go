package main

// headroomBytes is how much garbage may gather, at the least, before it is collected.
const headroomBytes = 32 << 20

// headroom keeps a proxy with little state from collecting garbage all the time. Go collects when the heap has doubled;
// of the few MiB that an idle proxy holds, a busy one doubles tens of times a second. What headroom returns counts as
// heap for as long as it is kept alive, but is never touched, and so takes address space and no memory.
//
// It is nil when the environment sets GOGC or GOMEMLIMIT: then whoever runs the proxy has decided.
func headroom(lookup func(string) (string, bool)) []byte {
	for _, name := range []string{"GOGC", "GOMEMLIMIT"} {
		if _, set := lookup(name); set {
			return nil
		}
	}
	return make([]byte, headroomBytes)
}
