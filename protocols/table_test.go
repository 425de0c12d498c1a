package protocols_test

import (
	"encoding/json"
	"os"
	"slices"
	"testing"
)

// table is testdata/wire.json. Types in it are full names.
type table struct {
	Comment string
	Files   []struct {
		// Root is the folder of this repository that the file is in, Path its import path there.
		Root, Path string
		Package    string
		Imports    []string
		Options    map[string]any
		Messages   []struct {
			Name   string
			Fields []fieldRow
		}
		Enums []struct {
			Name   string
			Values map[string]json.Number
		}
		Extensions []fieldRow
		Services   []struct {
			Name    string
			Methods []struct {
				Name, Input, Output string
				ClientStreaming     bool `json:"client_streaming"`
				ServerStreaming     bool `json:"server_streaming"`
				Options             map[string]any
			}
		}
	}
}

type fieldRow struct {
	Name     string
	Number   int
	Type     string
	Repeated bool
	Oneof    string
	Extends  string
	Options  map[string]any
}

// readTable reads the recorded facts.
func readTable(t *testing.T) table {
	t.Helper()
	file, err := os.Open("testdata/wire.json")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	decoder := json.NewDecoder(file)
	decoder.DisallowUnknownFields()
	var recorded table
	if err := decoder.Decode(&recorded); err != nil {
		t.Fatalf("testdata/wire.json: %v", err)
	}
	return recorded
}

// facts states what the table records, in the words of describe, for the files that keep is true for.
func (recorded table) facts(t *testing.T, keep func(root, path string) bool) facts {
	t.Helper()
	all := facts{}
	for _, file := range recorded.Files {
		if !keep(file.Root, file.Path) {
			continue
		}
		prefix := file.Package + "."
		slices.Sort(file.Imports)
		all.add(t, "file "+file.Path, fileFact("proto3", file.Package, file.Imports))
		all.addOptions(t, "file "+file.Path, file.Options)
		for _, message := range file.Messages {
			all.add(t, "message "+prefix+message.Name, "")
			for _, field := range message.Fields {
				all.addField(t, "field "+prefix+message.Name+"."+field.Name, field)
			}
		}
		for _, enum := range file.Enums {
			for name, number := range enum.Values {
				all.add(t, "enum "+prefix+enum.Name+"."+name, number.String())
			}
		}
		for _, extension := range file.Extensions {
			all.addField(t, "extension "+prefix+extension.Name, extension)
		}
		for _, service := range file.Services {
			all.add(t, "service "+prefix+service.Name, "")
			for _, method := range service.Methods {
				key := "rpc " + prefix + service.Name + "." + method.Name
				all.add(t, key, rpcFact(method.Input, method.ClientStreaming, method.Output, method.ServerStreaming))
				all.addOptions(t, key, method.Options)
			}
		}
	}
	return all
}

func (f facts) addField(t *testing.T, key string, field fieldRow) {
	t.Helper()
	f.add(t, key, fieldFact(field.Number, field.Type, field.Repeated, field.Oneof, field.Extends))
	f.addOptions(t, key, field.Options)
}
