package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"go.yaml.in/yaml/v3"

	"github.com/stateful-serverless/cloudstate/tck/environment"
	"github.com/stateful-serverless/cloudstate/tck/target"
)

// maxFile bounds the file, in bytes.
const maxFile = 1 << 20

// Read reads the file at path.
func Read(path string) (*File, error) {
	file, err := os.Open(filepath.Clean(path))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFile, err)
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, maxFile+1))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFile, err)
	}
	return Parse(path, text)
}

// Parse reads text, the content of the file at path. The error joins a [Fault] for each thing that is wrong, in the order of the text.
func Parse(path string, text []byte) (*File, error) {
	f := &faults{path: path}
	if len(text) > maxFile {
		f.add(nil, "more than %d bytes", maxFile)
		return nil, f.err()
	}
	root, value := decode(f, text)
	if root == nil {
		return nil, f.err()
	}
	validate(f, root, value)
	if len(f.all) > 0 {
		return nil, f.err()
	}
	file := &File{Path: path, Dir: filepath.Dir(path)}
	file.fill(f, root)
	if len(f.all) > 0 {
		return nil, f.err()
	}
	return file, nil
}

// decode returns the root of the document, and its value in the types of JSON; nil when the text is no YAML, or not one document.
func decode(f *faults, text []byte) (*yaml.Node, any) {
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	var document yaml.Node
	if err := decoder.Decode(&document); err != nil {
		if errors.Is(err, io.EOF) {
			f.add(nil, "the file is empty; it begins with version: 1")
		} else {
			f.addYAML(err)
		}
		return nil, nil
	}
	if err := decoder.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		f.add(nil, "more than one document; there must be one")
		return nil, nil
	}
	root := document.Content[0]
	if !plainKeys(f, root) {
		return nil, nil
	}
	var value any
	if err := root.Decode(&value); err != nil {
		f.addYAML(err)
		return nil, nil
	}
	return root, value
}

// plainKeys refuses what JSON has not: keys that are no text or come twice, and merged mappings, whose fields would have no place of their own.
func plainKeys(f *faults, node *yaml.Node) bool {
	ok := true
	if node.Kind == yaml.MappingNode {
		lines := map[string]int{}
		for i := 0; i+1 < len(node.Content); i += 2 {
			key := node.Content[i]
			if key.Kind != yaml.ScalarNode || key.Tag != "!!str" {
				f.add(key, "a key must be a text; quote it, or write out what is merged")
				ok = false
			} else if lines[key.Value] > 0 {
				f.add(key, "%q is in line %d already", key.Value, lines[key.Value])
				ok = false
			}
			lines[key.Value] = key.Line
		}
	}
	for _, child := range node.Content {
		ok = plainKeys(f, child) && ok
	}
	return ok
}

// section decodes the entries of the mapping called key, in their order.
func section[T any](f *faults, root *yaml.Node, key string, each func(name string, node *yaml.Node, entry T)) {
	_, mapping := child(root, key)
	if mapping == nil {
		return
	}
	mapping = meant(mapping)
	for i := 0; i+1 < len(mapping.Content); i += 2 {
		var entry T
		if err := mapping.Content[i+1].Decode(&entry); err != nil {
			f.addYAML(err)
			continue
		}
		each(mapping.Content[i].Value, mapping.Content[i], entry)
	}
}

// fill reads the sections of a document that fits the schema.
func (f *File) fill(faults *faults, root *yaml.Node) {
	for _, list := range []struct {
		key  string
		role target.Role
		into *[]Target
	}{{"proxies", target.Proxy, &f.Proxies}, {"frontends", target.Frontend, &f.Frontends}} {
		section(faults, root, list.key, func(name string, node *yaml.Node, t Target) {
			t.Name, t.Weight = name, max(t.Weight, 1)
			options := t.Options
			options.Dir = f.Dir
			t.Ref = check(faults, node, list.role, t.Source, &options)
			checkTarget(faults, node, list.role, t)
			*list.into = append(*list.into, t)
		})
	}
	section(faults, root, "stores", func(name string, node *yaml.Node, s Store) {
		s.Name, s.Weight = name, max(s.Weight, 1)
		if s.Kind == "" {
			s.Kind = name
		}
		options := s.Options
		options.Dir = f.Dir
		s.Ref = check(faults, node, target.Store, s.Source, &options)
		checkStore(faults, node, s)
		f.Stores = append(f.Stores, s)
	})
	section(faults, root, "environments", func(name string, node *yaml.Node, e Environment) {
		e.Name = name
		if e.Kind == "" {
			e.Kind = name
		}
		if _, err := environment.Lookup(e.Kind); err != nil {
			faults.add(node, "environment %q: %v", name, err)
		}
		f.Environments = append(f.Environments, e)
	})
	if len(f.Environments) == 0 {
		f.Environments = []Environment{{Name: environment.Plain, Kind: environment.Plain}}
	}
	if _, matrix := child(root, "matrix"); matrix != nil {
		if err := matrix.Decode(&f.Matrix); err != nil {
			faults.addYAML(err)
		}
		f.checkMatrix(faults, meant(matrix))
	}
	f.complete()
}

// complete fills in what the matrix leaves to the declarations.
func (f *File) complete() {
	m, declared := &f.Matrix, f.declared()
	for _, list := range []struct {
		wanted *[]string
		all    []string
	}{
		{&m.Proxies, declared["proxy"]}, {&m.Frontends, declared["frontend"]}, {&m.Stores, declared["store"]}, {&m.Environments, declared["environment"]},
	} {
		if len(*list.wanted) == 0 {
			*list.wanted = list.all
		}
	}
	if m.CellTimeout <= 0 {
		m.CellTimeout = DefaultCellTimeout
	}
}
