package cli

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stateful-serverless/cloudstate/mockfunction"
	"github.com/stateful-serverless/cloudstate/tck/matrix"
	"github.com/stateful-serverless/cloudstate/tck/suite"
)

// matrixFile writes a tck.yaml whose two frontends are addresses: one where the kit's own model listens, one where nobody does.
func matrixFile(t *testing.T) string {
	t.Helper()
	function := mockfunction.New(suite.ModelFunction())
	if err := function.Start("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(function.Kill)
	path := filepath.Join(t.TempDir(), "tck.yaml")
	text := "version: 1\nfrontends:\n  up: {addr: '" + function.Addr() + "'}\n  down: {addr: '127.0.0.1:1', start_timeout: 1s}\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// One cell that passes and one whose target is not there: the second is in error, and the matrix is not complete.
func TestMatrix(t *testing.T) {
	file, dir := matrixFile(t), t.TempDir()
	run := func(args ...string) (int, string, string) {
		return tck(t, append([]string{"matrix", "--config", file, "--out", dir, "--focus", "disc/frontend/one-entity-per-service", "--jobs", "2"}, args...)...)
	}
	status, out, errs := run("--only", "frontend=up")
	if status != ExitOK || !strings.Contains(out, "PASSED  1 combinations in 1 cells: 1 passed") || !strings.Contains(errs, "1/1 frontend,up: passed") {
		t.Errorf("status %d\n%s%s", status, out, errs)
	}
	if status, _, errs = run("--only", "frontend=up", "--resume", "--seed", "1"); status != ExitOK || strings.Contains(errs, "kept") {
		t.Errorf("another seed, status %d\n%s", status, errs)
	}
	if status, _, errs = run("--resume", "--seed", "1"); status != ExitIncomplete || !strings.Contains(errs, "frontend,up: passed, kept") || !strings.Contains(errs, "frontend,down: error") {
		t.Errorf("status %d\n%s", status, errs)
	}
	result, err := matrix.Read(filepath.Join(dir, matrix.FileName))
	if err != nil {
		t.Fatal(err)
	}
	if len(result.Cells) != 2 || !result.Cells[0].Kept || result.Cells[1].State != matrix.Error || !strings.Contains(result.Cells[1].Reason, "did not come up") {
		t.Errorf("%+v", result.Cells)
	}
	checkCells(t, filepath.Join(dir, matrix.FileName), result)
}

// checkCells reads the matrix for a site, and once more when a report is gone.
func checkCells(t *testing.T, path string, result *matrix.Result) {
	t.Helper()
	cells, err := readCells(path)
	if err != nil || len(cells) != 2 {
		t.Fatalf("%+v %v", cells, err)
	}
	if up := cells[0]; up.Report == nil || up.Report.Summary.Cases.Passed != 1 || !maps.Equal(up.Labels, map[string]string{"frontend": "up", "suite": "frontend"}) {
		t.Errorf("%+v", up)
	}
	if down := cells[1]; down.Trouble != result.Cells[1].Reason || down.Labels["frontend"] != "down" {
		t.Errorf("%+v", down)
	}
	if err := os.Remove(filepath.Join(filepath.Dir(path), result.Cells[0].Report)); err != nil {
		t.Fatal(err)
	}
	if _, err := readCells(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("without a report: %v", err)
	}
}

func TestMatrixThatMakesNoSense(t *testing.T) {
	file := matrixFile(t)
	for _, tt := range []struct {
		args []string
		want string
	}{
		{[]string{"--config", file, "--only", "frontend=sideways"}, `declares no frontend "sideways"`},
		{[]string{"--config", file, "--exclude", "frontend=up|down"}, "no combination is left"},
		{[]string{"--config", file, "--suite", "pair"}, "no combination is left"},
		{[]string{"--config", file + "x"}, "no such file"},
		{[]string{"--config", "cli_test.go"}, "cli_test.go:"},
	} {
		if status, _, errs := here(t, append([]string{"matrix", "--out", t.TempDir()}, tt.args...)...); status != ExitUsage || !strings.Contains(errs, tt.want) {
			t.Errorf("%v: status %d, %s", tt.args, status, errs)
		}
	}
	status, out, _ := here(t, "matrix", "--config", file, "--plan")
	if status != ExitOK || out != "frontend,up\nfrontend,down\n" {
		t.Errorf("plan: %d %q", status, out)
	}
}

func TestNamesOfTheConfig(t *testing.T) {
	file := matrixFile(t)
	if status, out, errs := tck(t, "run", "--config", file, "--frontend", "up", "--focus", "disc/frontend/one-entity-per-service"); status != ExitOK {
		t.Errorf("status %d\n%s%s", status, out, errs)
	}
	for _, tt := range []struct {
		args []string
		want string
	}{
		{[]string{"--frontend", "pu"}, "declares no such frontend"},
		{[]string{"--frontend", "up", "--store", "disk"}, "declares no such store"},
		{[]string{"--frontend", "builtin:nothing"}, "no such built-in"},
	} {
		if status, _, errs := here(t, append([]string{"run", "--config", file}, tt.args...)...); status != ExitUsage || !strings.Contains(errs, tt.want) {
			t.Errorf("%v: status %d, %s", tt.args, status, errs)
		}
	}
}
