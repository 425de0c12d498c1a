package cli

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/stateful-serverless/cloudstate/tck/matrix"
	"github.com/stateful-serverless/cloudstate/tck/report"
)

// siteCommand is `cloudstate-tck site`.
type siteCommand struct {
	Out   string   `required:"true" placeholder:"DIR" help:"Write index.html and cells/ here."`
	Cells []string `arg:"" name:"report" help:"A report.json, or a directory that has one; labels before it name it: proxy=mine,store=postgres:out/pg. Or a matrix.json, for all cells of it."`
}

// Run writes the site.
func (c *siteCommand) Run(stdio Stdio) error {
	var cells []report.Cell
	for _, arg := range c.Cells {
		read, err := readCells(arg)
		if err != nil {
			return err
		}
		cells = append(cells, read...)
	}
	path, err := report.Site(c.Out, cells)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(stdio.Out, path)
	return err
}

// readCells reads what one argument names.
func readCells(arg string) ([]report.Cell, error) {
	if filepath.Base(arg) == matrix.FileName {
		return matrixCells(arg)
	}
	path, labels := arg, map[string]string(nil)
	if before, after, found := strings.Cut(arg, ":"); found {
		if _, err := os.Stat(arg); err != nil { // a file may have a colon in its name
			path = after
			if labels, err = parseLabels(before); err != nil {
				return nil, fmt.Errorf("%s: %w", arg, err)
			}
		}
	}
	r, err := report.Read(path)
	if err != nil {
		return nil, err
	}
	if labels == nil {
		labels = report.Labels(r)
	}
	return []report.Cell{{Labels: labels, Report: r}}, nil
}

// matrixCells reads the cells that a matrix.json lists, with their reports. A report that is named and cannot be read is an error.
func matrixCells(path string) ([]report.Cell, error) {
	judged, err := matrix.Read(path)
	if err != nil {
		return nil, err
	}
	var cells []report.Cell
	var faults []error
	for _, c := range judged.Cells {
		cell := report.Cell{Labels: c.Labels.ByDimension(), Trouble: c.Reason}
		var suites []string
		for _, kind := range c.Suites {
			suites = append(suites, string(kind))
		}
		cell.Labels["suite"] = strings.Join(suites, ", ")
		if c.Report != "" {
			at := c.Report
			if !filepath.IsAbs(at) {
				at = filepath.Join(filepath.Dir(path), at)
			}
			if cell.Report, err = report.Read(at); err != nil {
				faults = append(faults, fmt.Errorf("%s: %w", path, err))
			}
		} else if cell.Trouble == "" {
			cell.Trouble = string(c.State)
		}
		cells = append(cells, cell)
	}
	return cells, errors.Join(faults...)
}

// parseLabels reads "proxy=mine,store=postgres".
func parseLabels(text string) (map[string]string, error) {
	labels := map[string]string{}
	for _, pair := range strings.Split(text, ",") {
		name, value, ok := strings.Cut(pair, "=")
		if !ok || name == "" || value == "" {
			return nil, fmt.Errorf("%q is no label; write labels before the path, such as proxy=mine,store=postgres:out/pg", pair)
		}
		labels[name] = value
	}
	return labels, nil
}
