package report

import (
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
