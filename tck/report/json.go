package report

import (
	_ "embed" // the schema
	"encoding/json"
	"io"

	"github.com/stateful-serverless/cloudstate/tck/verdict"
)

// JSON writes the model as it is.
func JSON(w io.Writer, r *verdict.Report) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	return encoder.Encode(r)
}

// Schema is the published JSON Schema of what [JSON] writes (docs/tck/report.schema.json).
//
//go:embed report.schema.json
var Schema string
