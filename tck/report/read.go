package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/stateful-serverless/cloudstate/tck/verdict"
)

// maxRead bounds a file that somebody hands to the kit, in bytes. A run that keeps every trace writes some ten MiB.
const maxRead = 128 << 20

// Read reads a report.json, which may be another program's: it is held against the published schema first, so that what comes out has every
// verdict, party and kind that this program knows, and no other. path may also name the directory that it lies in.
func Read(path string) (*verdict.Report, error) {
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		path = filepath.Join(path, "report.json")
	}
	var r verdict.Report
	if err := ReadJSON(path, Schema, &r); err != nil {
		return nil, err
	}
	return &r, nil
}

// ReadJSON decodes the JSON file at path into value after it was held against schema.
func ReadJSON(path, schema string, value any) error {
	file, err := os.Open(filepath.Clean(path))
	if err != nil {
		return err
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, maxRead+1))
	if err != nil {
		return err
	}
	if len(text) > maxRead {
		return fmt.Errorf("%s: more than %d bytes", path, maxRead)
	}
	if err := Validate(schema, text); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if err := json.Unmarshal(text, value); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

// Validate holds a JSON text against a JSON Schema of this package. The error says what breaks it, and where.
func Validate(schema string, text []byte) error {
	compiled, err := compile(schema)
	if err != nil {
		return err
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		return fmt.Errorf("not JSON: %w", err)
	}
	return compiled.Validate(value)
}

var compiled sync.Map // of *jsonschema.Schema by their text

func compile(schema string) (*jsonschema.Schema, error) {
	if known, ok := compiled.Load(schema); ok {
		if s, ok := known.(*jsonschema.Schema); ok {
			return s, nil
		}
	}
	document, err := jsonschema.UnmarshalJSON(strings.NewReader(schema))
	if err != nil {
		return nil, err
	}
	const name = "schema.json"
	compiler := jsonschema.NewCompiler()
	if err := compiler.AddResource(name, document); err != nil {
		return nil, err
	}
	s, err := compiler.Compile(name)
	if err != nil {
		return nil, err
	}
	compiled.Store(schema, s)
	return s, nil
}
