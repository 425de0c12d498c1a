// Package report shows the result of a run: to a person at a terminal, to a browser, and to programs.
//
// What enters: a verdict.Report. What leaves: a console summary, JSON after the published schema (docs/tck/report.schema.json),
// JUnit XML, and one HTML page that needs nothing beside itself. All say the same, since all are made from the one model.
//
// The package never decides anything: every verdict is in the model already.
package report
