// Package report shows the result of a run: to a person at a terminal, to a browser, and to programs.
//
// What enters: a verdict.Report, or several, as they were made or read from their JSON. What leaves: a console summary, JSON after the published
// schema (docs/tck/report.schema.json), JUnit XML, and HTML that needs nothing from elsewhere: a page for a report, with each failed case's
// conversation drawn as a sequence diagram, and a site for several; and a summary in
// Markdown, a badge, and a comparison of two. All say the same, since all are made from the one model.
//
// The package never decides anything: every verdict is in the model already.
package report
