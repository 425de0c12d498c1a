package claim

import (
	"bytes"
	_ "embed" // the schema
	"encoding/json"
	"fmt"
	"io"

	"github.com/stateful-serverless/cloudstate/tck/report"
)

// Schema is the published JSON Schema of a claim (docs/tck/claim.schema.json).
//
//go:embed claim.schema.json
var Schema string

// Write writes the claim as JSON.
func (c *Claim) Write(w io.Writer) error {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(c); err != nil {
		return err
	}
	_, err := w.Write(b.Bytes())
	return err
}

// Read reads a claim that anybody may have written: it keeps the published schema, and its digest is that of its results.
func Read(path string) (*Claim, error) {
	var c Claim
	if err := report.ReadJSON(path, Schema, &c); err != nil {
		return nil, err
	}
	if err := c.Intact(); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return &c, nil
}
