package selftest

import (
	"fmt"
	"go/ast"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// variable is the environment variable that tells a combined program which of its mutants to be.
const variable = "TCK_MUTANT"

// The package that a combined program reads the variable in. It lies in the overlay only.
const (
	switchFile    = "internal/tckmutant/switch.go"
	switchPackage = "github.com/stateful-serverless/cloudstate/internal/tckmutant"
	switchSource  = `package tckmutant

import (
	"os"
	"strconv"
)

var Number, _ = strconv.Atoi(os.Getenv("` + variable + `"))

func Pick[T any](number int, mutated, original T) T {
	if Number == number {
		return mutated
	}
	return original
}
`
)

// combination is the sources of one program that holds many mutants, each of them dormant until the environment wakes it.
//
// Of a function that mutants change, the program has the original and each mutant's version, letter by letter, under names of their own, and
// under its old name one that calls that of the chosen mutant. So what runs for a mutant is what would run in a program built for it
// alone, and with none chosen what runs is the original.
type combination struct {
	root  string
	files map[string]*combined // by path
	names map[string]bool      // of the declarations that mutants add, with their folders
}

// combined is one source file of a combination.
type combined struct {
	original *source
	imports  []string
	added    []string             // declarations
	funcs    map[string][]variant // by receiver and name
	values   map[string][]variant // by name
}

// variant is what a mutant makes of a function, or of a variable's value.
type variant struct {
	number int
	text   string
}

func newCombination(root string) *combination {
	return &combination{root: root, files: map[string]*combined{}, names: map[string]bool{}}
}

// add takes a mutant in under the number; false when it changes what cannot be chosen when a program starts (a type, a constant, a
// signature), and is to be built alone. An error says that its edits cannot be applied.
func (c *combination) add(m Mutant, number int) (bool, error) {
	edited, err := m.edited(c.root)
	if err != nil {
		return false, err
	}
	var changes []*change
	for path, e := range edited {
		ch, err := changed(path, e)
		if err != nil {
			return false, fmt.Errorf("%w: %s: %w", ErrMutant, m.ID, err)
		}
		if ch == nil || slices.ContainsFunc(ch.names, func(name string) bool { return c.names[name] }) {
			return false, nil
		}
		changes = append(changes, ch)
	}
	for _, ch := range changes {
		for _, name := range ch.names {
			c.names[name] = true
		}
		f := c.files[ch.path]
		if f == nil {
			f = &combined{original: ch.before, funcs: map[string][]variant{}, values: map[string][]variant{}}
			c.files[ch.path] = f
		}
		f.take(ch, number, fmt.Sprintf("//line %s:1\n", mutantFile(m)))
	}
	return true, nil
}

// take adds what a mutant changes in the file; line tells the compiler whose it is.
func (f *combined) take(ch *change, number int, line string) {
	for _, text := range ch.imports {
		if !slices.Contains(f.imports, text) {
			f.imports = append(f.imports, text)
		}
	}
	for _, text := range ch.added {
		f.added = append(f.added, line+text)
	}
	for key, text := range ch.funcs {
		f.funcs[key] = append(f.funcs[key], variant{number, line + text})
	}
	for name, text := range ch.values {
		f.values[name] = append(f.values[name], variant{number, text})
	}
}

// mutantFile is where a mutant is described, as the compiler's messages name it.
func mutantFile(m Mutant) string {
	return "fixtures/mutants/" + string(m.Target) + "/" + m.ID + "/mutant.yaml"
}

// sources are the files of the program, by path.
func (c *combination) sources() map[string]string {
	out := map[string]string{filepath.Join(c.root, filepath.FromSlash(switchFile)): switchSource}
	for path, f := range c.files {
		out[path] = f.text()
	}
	return out
}

func (f *combined) text() string {
	type cut struct {
		from, to int
		text     string
	}
	var cuts []cut
	var tail strings.Builder
	for key, variants := range f.funcs {
		d := f.original.funcs[key]
		at := f.original.offset(d.Name.Pos())
		cuts = append(cuts, cut{at, at + len(d.Name.Name), d.Name.Name + "_original"})
		f.dispatcher(&tail, d, variants)
	}
	for name, variants := range f.values {
		v := f.original.values[name].Values[0]
		text := f.original.of(v)
		for _, x := range variants {
			text = fmt.Sprintf("tckmutant.Pick(%d, %s, %s)", x.number, x.text, text)
		}
		cuts = append(cuts, cut{f.original.offset(v.Pos()), f.original.offset(v.End()), text})
	}
	slices.SortFunc(cuts, func(a, b cut) int { return a.from - b.from })
	var b strings.Builder
	at := f.original.offset(f.original.file.Name.End())
	b.WriteString(f.original.text[:at])
	fmt.Fprintf(&b, "\nimport %q\n", switchPackage)
	for _, spec := range f.imports {
		fmt.Fprintf(&b, "import %s\n", spec)
	}
	for _, x := range cuts {
		b.WriteString(f.original.text[at:x.from])
		b.WriteString(x.text)
		at = x.to
	}
	b.WriteString(f.original.text[at:])
	b.WriteString("\nvar _ = tckmutant.Number\n")
	for _, text := range f.added {
		b.WriteString("\n" + text + "\n")
	}
	b.WriteString(tail.String())
	return b.String()
}

// dispatcher writes the mutants' versions of a function, and the function that chooses among them.
func (f *combined) dispatcher(b *strings.Builder, d *ast.FuncDecl, variants []variant) {
	receiver, prefix := "", ""
	if d.Recv != nil {
		receiver, prefix = "(r_ "+f.original.of(d.Recv.List[0].Type)+") ", "r_."
	}
	var params, args []string
	for _, field := range d.Type.Params.List {
		for range max(1, len(field.Names)) {
			name := "p_" + strconv.Itoa(len(params))
			params = append(params, name+" "+f.original.of(field.Type))
			if _, variadic := field.Type.(*ast.Ellipsis); variadic {
				name += "..."
			}
			args = append(args, name)
		}
	}
	call := func(suffix string) string {
		text := prefix + d.Name.Name + suffix + "(" + strings.Join(args, ", ") + ")"
		if d.Type.Results != nil {
			return "return " + text
		}
		return text + "; return"
	}
	results := ""
	if d.Type.Results != nil {
		results = f.original.of(d.Type.Results)
	}
	fmt.Fprintf(b, "\n//line combined:1\nfunc %s%s(%s) %s {\n\tswitch tckmutant.Number {\n", receiver, d.Name.Name, strings.Join(params, ", "), results)
	for _, v := range variants {
		fmt.Fprintf(b, "\tcase %d:\n\t\t%s\n", v.number, call("_mutant"+strconv.Itoa(v.number)))
	}
	fmt.Fprintf(b, "\t}\n\t%s\n}\n", call("_original"))
	for _, v := range variants {
		b.WriteString("\n" + rename(v.text, d.Name.Name, d.Name.Name+"_mutant"+strconv.Itoa(v.number)) + "\n")
	}
}
