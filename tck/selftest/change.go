package selftest

import (
	"go/ast"
	"path/filepath"
)

// change is what a mutant does to a file, as far as it can be chosen when a program starts.
type change struct {
	path    string
	before  *source
	imports []string          // that it adds
	added   []string          // declarations that it adds
	names   []string          // theirs, with the folder
	funcs   map[string]string // those that it changes, whole, by receiver and name
	values  map[string]string // what it makes of variables, by name
}

// changed compares a file before and after a mutant's edits; nil when something else changed than functions, the values of variables,
// and what was added, so that the mutant is to be built alone.
func changed(path string, e edit) (*change, error) {
	before, err := parse(path, e.before)
	if err != nil {
		return nil, err
	}
	after, err := parse(path, e.after)
	if err != nil {
		return nil, err
	}
	c := &change{path: path, before: before, funcs: map[string]string{}, values: map[string]string{}}
	for text := range after.imports {
		if !before.imports[text] {
			c.imports = append(c.imports, text)
		}
	}
	if !c.compareFuncs(after) || !c.compareValues(after) || !c.compareOthers(after) {
		return nil, nil
	}
	if len(c.funcs)+len(c.values)+len(c.added) == 0 {
		return nil, nil // what changed was not recognised
	}
	return c, nil
}

func (c *change) add(name, text string) {
	c.names = append(c.names, filepath.Dir(c.path)+" "+name)
	c.added = append(c.added, text)
}

func (c *change) compareFuncs(after *source) bool {
	for key, f := range after.funcs {
		old := c.before.funcs[key]
		switch {
		case old == nil && f.Recv != nil && !after.introduces(f.Recv, c.before):
			return false // a method changes its type, also for others: it may hide that of an embedded field
		case old == nil:
			c.add(key, after.of(f))
		case c.before.of(old) == after.of(f):
		case c.before.of(old.Type) != after.of(f.Type) || c.before.of(old.Recv) != after.of(f.Recv) || !callable(old) || !callable(f):
			return false
		default:
			c.funcs[key] = after.of(f)
		}
	}
	for key := range c.before.funcs {
		if after.funcs[key] == nil {
			return false
		}
	}
	return true
}

func (c *change) compareValues(after *source) bool {
	for name, v := range after.values {
		old := c.before.values[name]
		switch {
		case old == nil:
			c.add(name, "var "+after.of(v))
		case c.before.of(old) == after.of(v):
		case len(old.Names) != 1 || len(old.Values) != 1 || len(v.Names) != 1 || len(v.Values) != 1 || c.before.of(old.Type) != after.of(v.Type):
			return false
		default:
			c.values[name] = after.of(v.Values[0])
		}
	}
	for name := range c.before.values {
		if after.values[name] == nil {
			return false
		}
	}
	return true
}

func (c *change) compareOthers(after *source) bool {
	for text, other := range after.others {
		switch {
		case c.before.others[text] != notThere:
		case other == typeDeclaration:
			c.add("type "+text, "type "+text)
		default:
			return false
		}
	}
	for text := range c.before.others {
		if after.others[text] == notThere {
			return false
		}
	}
	return true
}

// callable tells whether a function may be called by another in its place.
func callable(f *ast.FuncDecl) bool {
	if f.Type.TypeParams != nil || f.Body == nil || f.Recv == nil && f.Name.Name == "init" {
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
