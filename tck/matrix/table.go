package matrix

import (
	"bytes"
	"fmt"
	"io"
	"path/filepath"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/stateful-serverless/cloudstate/tck/verdict"
)

// Table writes the cells, the reason of each that did not pass, and the verdict, for people. dir is where matrix.json lies.
func Table(out io.Writer, result *Result, dir string) error {
	var text bytes.Buffer
	columns := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	fmt.Fprintln(columns, "SUITE\tPROXY\tFRONTEND\tSTORE\tENVIRONMENT\tVERDICT\tPASSED\tFAILED\tTIME")
	for _, cell := range result.Cells {
		passed, failed := "-", "-"
		if cell.Cases != nil {
			passed, failed = strconv.Itoa(cell.Cases.Passed), strconv.Itoa(cell.Cases.Failed-cell.Cases.Announced+cell.Cases.Flaky)
			if cell.Cases.Announced > 0 {
				failed += fmt.Sprintf(" (+%d expected)", cell.Cases.Announced)
			}
		}
		took := (time.Duration(cell.DurationMS) * time.Millisecond).Round(100 * time.Millisecond).String()
		if cell.Kept {
			took = "kept"
		}
		labels := cell.Labels.values()
		for i, label := range labels {
			if label == "" {
				labels[i] = "-"
			}
		}
		kinds := make([]string, len(cell.Suites))
		for i, kind := range cell.Suites {
			kinds[i] = string(kind)
		}
		fmt.Fprintf(columns, "%s\t%s\t%s\t%s\t%s\t%s\n",
			strings.Join(kinds, ","), strings.Join(labels[:], "\t"), word(cell), passed, failed, took)
	}
	if err := columns.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(&text)
	counts := map[string]int{}
	for _, cell := range result.Cells {
		counts[word(cell)]++
		if cell.State == Done && cell.Verdict == verdict.Conforms {
			continue
		}
		fmt.Fprintf(&text, "%s  %s: %s\n", strings.ToUpper(word(cell)), cell.Name, cell.Reason)
		if cell.Console != "" {
			fmt.Fprintf(&text, "    %s\n", filepath.Join(dir, cell.Console))
		}
	}
	fmt.Fprintf(&text, "%s  %d combinations in %d cells: %d passed, %d failed, %d incomplete, %d in error, %d not run, in %s; %s\n",
		strings.ToUpper(string(result.Verdict)), len(result.Combinations), len(result.Cells),
		counts[string(verdict.Conforms)], counts[string(verdict.Breaks)], counts[string(verdict.Incomplete)], counts[string(Error)], counts[string(NotRun)],
		(time.Duration(result.DurationMS) * time.Millisecond).Round(100*time.Millisecond), filepath.Join(dir, FileName))
	_, err := out.Write(text.Bytes())
	return err
}
