package selftest

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
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
	names map[string]string    // declarations that mutants add, by folder and name: the mutant
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

// source is a parsed file.
type source struct {
	text    string
	fset    *token.FileSet
	file    *ast.File
	imports map[string]string        // text by text
	funcs   map[string]*ast.FuncDecl // by receiver and name
	values  map[string]*ast.ValueSpec
	others  map[string]*ast.GenDecl // all other declarations, by their texts
	types   map[string]bool
}

func newCombination(root string) *combination {
	return &combination{root: root, files: map[string]*combined{}, names: map[string]string{}}
}

// add takes a mutant in under the number; false when it changes what cannot be chosen when a program starts (a type, a constant, a
// signature), and is to be built alone. An error says that its edits cannot be applied.
func (c *combination) add(m Mutant, number int) (bool, error) {
	edited, err := m.edited(c.root)
	if err != nil {
		return false, err
	}
	type change struct {
		path    string
		imports []string
		added   []string
		funcs   map[string]string
		values  map[string]string
	}
	var changes []change
	names := map[string]string{}
	for path, e := range edited {
		before, err := parse(path, e.before)
		if err != nil {
			return false, fmt.Errorf("%w: %s: %w", ErrMutant, m.ID, err)
		}
		after, err := parse(path, e.after)
		if err != nil {
			return false, fmt.Errorf("%w: %s: %w", ErrMutant, m.ID, err)
		}
		ch := change{path: path, funcs: map[string]string{}, values: map[string]string{}}
		for text := range after.imports {
			if before.imports[text] == "" {
				ch.imports = append(ch.imports, text)
			}
		}
		for key, f := range after.funcs {
			old := before.funcs[key]
			switch {
			case old == nil && f.Recv != nil && !after.introduces(f.Recv, before):
				return false, nil // a method changes its type, also for others: it may hide that of an embedded field
			case old == nil:
				ch.added = append(ch.added, after.of(f))
				names[filepath.Dir(path)+" "+key] = m.ID
			case before.of(old) == after.of(f):
			case before.of(old.Type) != after.of(f.Type) || !combinable(old) || !combinable(f) || before.of(old.Recv) != after.of(f.Recv):
				return false, nil
			default:
				ch.funcs[key] = after.of(f)
			}
		}
		for name, v := range after.values {
			old := before.values[name]
			switch {
			case old == nil:
				ch.added = append(ch.added, "var "+after.of(v))
				names[filepath.Dir(path)+" "+name] = m.ID
			case before.of(old) == after.of(v):
			case len(old.Names) != 1 || len(old.Values) != 1 || len(v.Names) != 1 || len(v.Values) != 1 || before.of(old.Type) != after.of(v.Type):
				return false, nil
			default:
				ch.values[name] = after.of(v.Values[0])
			}
		}
		for key := range before.funcs {
			if after.funcs[key] == nil {
				return false, nil
			}
		}
		for name := range before.values {
			if after.values[name] == nil {
				return false, nil
			}
		}
		for text, d := range after.others {
			switch {
			case before.others[text] != nil:
			case d.Tok == token.TYPE:
				ch.added = append(ch.added, "type "+text)
				names[filepath.Dir(path)+" type "+text] = m.ID
			default:
				return false, nil
			}
		}
		for text := range before.others {
			if after.others[text] == nil {
				return false, nil
			}
		}
		changes = append(changes, ch)
	}
	for name := range names {
		if c.names[name] != "" {
			return false, nil
		}
	}
	for name := range names {
		c.names[name] = m.ID
	}
	line := fmt.Sprintf("//line %s:1\n", mutantFile(m))
	for _, ch := range changes {
		f := c.files[ch.path]
		if f == nil {
			before, err := parse(ch.path, edited[ch.path].before)
			if err != nil {
				return false, err
			}
			f = &combined{original: before, funcs: map[string][]variant{}, values: map[string][]variant{}}
			c.files[ch.path] = f
		}
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
	return true, nil
}

// mutantFile is where a mutant is described, as the compiler's messages name it.
func mutantFile(m Mutant) string {
	return "fixtures/mutants/" + string(m.Target) + "/" + m.ID + "/mutant.yaml"
}

// combinable tells whether a function may be called by another in its place.
func combinable(f *ast.FuncDecl) bool {
	if f.Type.TypeParams != nil || f.Body == nil || f.Name.Name == "init" {
		return false
	}
	ok := true
	ast.Inspect(f.Body, func(n ast.Node) bool {
		if call, isCall := n.(*ast.CallExpr); isCall {
			if id, isIdent := call.Fun.(*ast.Ident); isIdent && id.Name == "recover" {
				ok = false // it only works in the function that was deferred
			}
		}
		return ok
	})
	return ok
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

// rename gives the function declared in text another name: the first occurrence behind the receiver.
func rename(text, from, to string) string {
	src, err := parse("mutant", "package p\n"+text)
	if err != nil {
		return text // it was parsed before as part of its file
	}
	for _, f := range src.funcs {
		at := src.offset(f.Name.Pos())
		return (src.text[:at] + to + src.text[at+len(from):])[len("package p\n"):]
	}
	return text
}

func parse(path, text string) (*source, error) {
	s := &source{text: text, fset: token.NewFileSet(), imports: map[string]string{}, funcs: map[string]*ast.FuncDecl{},
		values: map[string]*ast.ValueSpec{}, others: map[string]*ast.GenDecl{}, types: map[string]bool{}}
	var err error
	if s.file, err = parser.ParseFile(s.fset, path, text, parser.SkipObjectResolution); err != nil {
		return nil, err
	}
	for _, d := range s.file.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			s.funcs[s.of(receiverType(d))+"."+d.Name.Name] = d
		case *ast.GenDecl:
			s.general(d)
		}
	}
	return s, nil
}

func (s *source) general(d *ast.GenDecl) {
	for _, spec := range d.Specs {
		text := s.of(spec)
		switch spec := spec.(type) {
		case *ast.ImportSpec:
			s.imports[text] = text
		case *ast.ValueSpec:
			if d.Tok == token.VAR && spec.Names[0].Name != "_" {
				s.values[spec.Names[0].Name] = spec
				continue
			}
			// A constant may stand for the one above it: what counts is the whole declaration.
			s.others[s.of(d)] = d
		case *ast.TypeSpec:
			s.types[spec.Name.Name] = true
			s.others[text] = d
		}
	}
}

func receiverType(d *ast.FuncDecl) ast.Node {
	if d.Recv == nil {
		return nil
	}
	return d.Recv.List[0].Type
}

func (s *source) offset(p token.Pos) int { return s.fset.PositionFor(p, false).Offset }

// introduces tells whether the type of a receiver is declared in this file and was not before.
func (s *source) introduces(receiver *ast.FieldList, before *source) bool {
	t := receiver.List[0].Type
	if star, ok := t.(*ast.StarExpr); ok {
		t = star.X
	}
	name, ok := t.(*ast.Ident)
	return ok && s.types[name.Name] && !before.types[name.Name]
}

// of is the text of a part of the file, "" for none.
func (s *source) of(n ast.Node) string {
	switch n := n.(type) {
	case nil:
		return ""
	case *ast.FieldList:
		if n == nil {
			return ""
		}
	case *ast.FuncDecl:
		return s.text[s.offset(n.Type.Func):s.offset(n.End())] // without its comment
	}
	return s.text[s.offset(n.Pos()):s.offset(n.End())]
}
