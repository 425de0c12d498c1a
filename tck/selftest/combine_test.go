package selftest

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
)

// sources of a small program with all that a function can look like.
const toy = `package main

import "fmt"

type set[T any] struct{ all []T }

func (s *set[T]) add(values ...T) int {
	s.all = append(s.all, values...)
	return len(s.all)
}

func divide(a, _ int) (quotient int, err error) {
	defer func() {
		if err != nil {
			quotient = -1
		}
	}()
again:
	for {
		if a > 100 {
			a = 100
			continue again
		}
		break
	}
	quotient, err = a/2, nil
	return
}

func guarded() { defer func() { fmt.Print(recover()) }(); panic("x") }

var table = [...]string{1: "one"}

const limit = 10

func main() {
	s := &set[int]{}
	fmt.Print(s.add(1, 2), s.add(3))
	fmt.Print(divide(300, 2))
	guarded()
	fmt.Print(table[1], limit)
}
`

// TestCombinationIsTheSame builds mutants of a small program together and each alone: what runs has to be the same.
func TestCombinationIsTheSame(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("go.mod", "module github.com/stateful-serverless/cloudstate\n\ngo 1.26\n")
	write("main.go", toy)
	mutant := func(id string, edits ...[2]string) Mutant {
		m := Mutant{ID: id, Target: Proxy}
		for _, e := range edits {
			m.Edits = append(m.Edits, Edit{"main.go", e[0], e[1]})
		}
		return m
	}
	for _, c := range []struct {
		mutant Mutant
		alone  bool
	}{
		{mutant("variadic method of a generic type", [2]string{"s.all = append(s.all, values...)", "s.all = values"}), false},
		{mutant("same function again", [2]string{"return len(s.all)", "return cap(s.all[:1:1])"}), false},
		{mutant("named results, label and blank parameter", [2]string{"a/2, nil", `a, fmt.Errorf("no")`}), false},
		{mutant("a new import and declarations", [2]string{`import "fmt"`, "import (\n\t\"fmt\"\n\t\"strings\"\n)\n\ntype louder struct{}\n\nvar volume = 2\n\nfunc (louder) say(s string) string { return strings.Repeat(s, volume) }"},
			[2]string{"fmt.Print(table[1], limit)", "fmt.Print(louder{}.say(table[1]), limit)"}), false},
		{mutant("a variable", [2]string{`1: "one"`, `1: "two"`}), false},
		{mutant("main", [2]string{"guarded()\n\tfmt", "fmt"}), false},
		{mutant("a closure that recovers", [2]string{`panic("x")`, `panic("y")`}), true},
		{mutant("a constant", [2]string{"limit = 10", "limit = 11"}), true},
		{mutant("a type", [2]string{"all []T }", "all []T; spare int }"}), true},
		{mutant("a method of a type that is there", [2]string{"const limit", "func (s *set[T]) String() string { return \"\" }\n\nconst limit"}), true},
		{mutant("a signature", [2]string{"divide(a, _ int)", "divide(a, b int)"}), true},
	} {
		t.Run(c.mutant.ID, func(t *testing.T) {
			together := newCombination(dir)
			other := mutant("other", [2]string{"a = 100", "a = 50"}, [2]string{`1: "one"`, `1: "three"`}, [2]string{"values...)\n", "values...)\n\ts.all = s.all[1:]\n"})
			if ok, err := together.add(other, 1); !ok || err != nil {
				t.Fatal(ok, err)
			}
			ok, err := together.add(c.mutant, 2)
			if err != nil || ok == c.alone {
				t.Fatalf("got %v, %v", ok, err)
			}
			if c.alone {
				return
			}
			combined := run(t, dir, together.sources())
			for number, m := range []Mutant{{}, other, c.mutant} {
				edited, err := m.edited(dir)
				if err != nil {
					t.Fatal(err)
				}
				sources := map[string]string{}
				for path, e := range edited {
					sources[path] = e.after
				}
				if got, want := combined(number), run(t, dir, sources)(0); got != want || (number == 2) != (got != combined(0) && got != combined(1)) {
					t.Errorf("mutant %d says %q together with others, %q alone", number, got, want)
				}
			}
		})
	}
}

// run builds the program and returns what runs it as the mutant with a number.
func run(t *testing.T, dir string, sources map[string]string) func(number int) string {
	t.Helper()
	work := t.TempDir()
	overlay, err := writeOverlay(sources, work)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(work, "program")
	if err := build(t.Context(), dir, ".", path, overlay); err != nil {
		t.Fatal(err)
	}
	return func(number int) string {
		cmd := exec.CommandContext(t.Context(), path)
		cmd.Env = append(os.Environ(), variable+"="+strconv.Itoa(number))
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		return string(out)
	}
}
