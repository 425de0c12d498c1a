package discovery

import (
	"testing"

	"github.com/stateful-serverless/cloudstate/fixtures/descriptors"
)

// Reading a key is on every call's way: one allocation, the key itself.
func TestExtractAllocatesOnlyTheKey(t *testing.T) {
	for _, p := range descriptors.All() {
		if !p.Valid {
			continue
		}
		f, _ := Validate(p.Spec(), Options{Served: Kinds()})
		for i, s := range p.Samples {
			if s.Key == "" {
				continue
			}
			k := f.Method(s.Service, s.Method).Key
			if n := testing.AllocsPerRun(100, func() { _, _ = k.Extract(s.Message) }); n > 1 {
				t.Errorf("%s, sample %d: %v allocations for %q", p.Name, i+1, n, s.Key)
			}
		}
	}
}

func TestLookupsDoNotAllocate(t *testing.T) {
	m := keyedMethods(t)[0]
	f := &Function{Services: []*Service{m.Service}}
	f.index()
	service, name, path := m.Service.Name, m.Name, m.Path
	if n := testing.AllocsPerRun(100, func() {
		if f.Method(service, name) != m || f.MethodByPath(path) != m {
			t.Error("not found")
		}
	}); n > 0 {
		t.Errorf("%v allocations", n)
	}
	if f.Method(service, "None") != nil || f.Method("None", name) != nil || f.MethodByPath(path+"x") != nil {
		t.Error("found what is not there")
	}
}

func BenchmarkExtract(b *testing.B) {
	for _, p := range descriptors.All() {
		wanted := map[string]string{
			"fixture.keys.Keys/String":    "string",
			"fixture.keys.Keys/Int64":     "int64",
			"fixture.keys.Keys/Bytes":     "bytes",
			"fixture.several.Several/Two": "two",
			"fixture.several.Several/All": "seven",
			"fixture.places.Places/Last":  "behind-a-large-message",
		}
		if !p.Valid {
			continue
		}
		f, _ := Validate(p.Spec(), Options{Served: Kinds()})
		for _, s := range p.Samples {
			name, ok := wanted[s.Service+"/"+s.Method]
			if !ok || s.Key == "" || len(s.Message) < 4 {
				continue
			}
			delete(wanted, s.Service+"/"+s.Method)
			m := f.Method(s.Service, s.Method)
			b.Run(name, func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if _, err := m.Key.Extract(s.Message); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

func BenchmarkValidate(b *testing.B) {
	for _, p := range descriptors.All() {
		if p.Name != "imports-reversed" {
			continue
		}
		spec := p.Spec()
		b.Run("validate", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				Validate(spec, Options{Served: Kinds()})
			}
		})
	}
}
