package selftest

import (
	"go/ast"
	"go/parser"
	"go/token"
)

// other is a declaration that is neither function nor variable.
type other uint8

const (
	notThere other = iota
	constant
	typeDeclaration
)

// source is a parsed file.
type source struct {
	text    string
	fset    *token.FileSet
	file    *ast.File
	imports map[string]bool           // by their texts
	funcs   map[string]*ast.FuncDecl  // by receiver and name
	values  map[string]*ast.ValueSpec // variables, by the first name of each
	others  map[string]other          // all other declarations, by their texts
	types   map[string]bool           // declared here, by name
}

func parse(path, text string) (*source, error) {
	s := &source{text: text, fset: token.NewFileSet(), imports: map[string]bool{}, funcs: map[string]*ast.FuncDecl{},
		values: map[string]*ast.ValueSpec{}, others: map[string]other{}, types: map[string]bool{}}
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
			s.imports[text] = true
		case *ast.ValueSpec:
			if d.Tok == token.VAR && spec.Names[0].Name != "_" {
				s.values[spec.Names[0].Name] = spec
				continue
			}
			// A constant may stand for the one above it: what counts is the whole declaration.
			s.others[s.of(d)] = constant
		case *ast.TypeSpec:
			s.types[spec.Name.Name] = true
			s.others[text] = typeDeclaration
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
