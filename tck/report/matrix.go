package report

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"strings"
)

// matrixFile is what is read of a matrix.json: the list of its cells. What else it says is not needed here.
type matrixFile struct {
	Cells []struct {
		// Labels say what was combined.
		Labels map[string]string `json:"labels"`
		// Suites are the kinds of cases that were judged: a kind is not judged again for what it does not depend on.
		Suites []string `json:"suites"`
		State  string   `json:"state"`
		Reason string   `json:"reason"`
		// Report is the path of the cell's report.json from where the matrix.json lies; empty when there is none.
		Report string `json:"report"`
	} `json:"cells"`
}

// ReadMatrix reads the cells that a matrix.json lists, with their reports. A report that is named and cannot be read is an error.
func ReadMatrix(path string) ([]Cell, error) {
	file, err := os.Open(filepath.Clean(path))
	if err != nil {
		return nil, err
	}
	defer file.Close()
	var matrix matrixFile
	if err := json.NewDecoder(io.LimitReader(file, maxRead)).Decode(&matrix); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if len(matrix.Cells) == 0 {
		return nil, fmt.Errorf("%s: it lists no cells", path)
	}
	var cells []Cell
	var faults []error
	for _, c := range matrix.Cells {
		cell := Cell{Labels: map[string]string{"suite": strings.Join(c.Suites, ", ")}, Trouble: c.Reason}
		maps.Copy(cell.Labels, c.Labels)
		if c.Report != "" {
			at := c.Report
			if !filepath.IsAbs(at) {
				at = filepath.Join(filepath.Dir(path), at)
			}
			if cell.Report, err = Read(at); err != nil {
				faults = append(faults, fmt.Errorf("%s: %w", path, err))
			}
		}
		if cell.Report == nil && cell.Trouble == "" {
			cell.Trouble = c.State
		}
		cells = append(cells, cell)
	}
	return cells, errors.Join(faults...)
}
