package report

import (
	"fmt"
	"html/template"
	"io"
	"unicode/utf8"

	"github.com/stateful-serverless/cloudstate/tck/verdict"
)

// advances are how far the characters from ' ' to '~' of DejaVu Sans move on, in tenths of a pixel at 11 px, as Chromium measures them. Verdana, which badges
// ask for first, is nearly the same; whatever font a reader has, textLength makes the text as long as was reckoned here.
var advances = [...]int{
	35, 44, 51, 92, 70, 105, 86, 30, 43, 43, 55, 92, 35, 40, 35, 37, 70, 70, 70, 70, 70, 70, 70, 70, 70, 70, 37, 37, 92, 92, 92, 58,
	110, 75, 75, 77, 85, 70, 63, 85, 83, 32, 32, 72, 61, 95, 82, 87, 66, 87, 76, 70, 67, 81, 75, 109, 75, 67, 75, 43, 37, 43, 92, 55,
	55, 67, 70, 60, 70, 68, 39, 70, 70, 31, 31, 64, 31, 107, 70, 67, 70, 70, 45, 57, 43, 70, 65, 90, 65, 65, 58, 70, 37, 70, 92,
}

// textWidth is how wide text is in pixels, at 11 px.
func textWidth(text string) int {
	const other = 110 // of what is not in the table: as wide as its widest
	tenths := 0
	for _, r := range text {
		if i := int(r) - ' '; i >= 0 && i < len(advances) {
			tenths += advances[i]
		} else if r != utf8.RuneError {
			tenths += other
		}
	}
	return (tenths + 9) / 10
}

// The badge's colours hold white text.
var badgeColours = map[verdict.Conclusion]string{verdict.Conforms: "#1a7f45", verdict.Breaks: "#c4302b", verdict.Incomplete: "#8a6d00"}

const badgeGrey = "#5c636b"

var badge = template.Must(template.New("badge").Parse(`<svg xmlns="http://www.w3.org/2000/svg" width="{{.Width}}" height="20" role="img" aria-label="{{.Label}}: {{.Message}}">
<title>{{.Label}}: {{.Message}}</title>
<clipPath id="r"><rect width="{{.Width}}" height="20" rx="3"/></clipPath>
<g clip-path="url(#r)"><rect width="{{.Left}}" height="20" fill="#3b4148"/><rect x="{{.Left}}" width="{{.Right}}" height="20" fill="{{.Colour}}"/></g>
<g fill="#fff" font-family="Verdana,DejaVu Sans,Geneva,sans-serif" font-size="11">
<text x="6" y="14" textLength="{{.LabelWidth}}">{{.Label}}</text><text x="{{.MessageX}}" y="14" textLength="{{.MessageWidth}}">{{.Message}}</text>
</g>
</svg>
`))

// badgeData is what the badge is made from; lengths are in pixels.
type badgeData struct {
	Label, Message, Colour                                 string
	LabelWidth, MessageWidth, Left, Right, Width, MessageX int
}

// Badge writes the result as an SVG of 20 pixels' height, for a README. A run of selected cases gets a grey one, since it claims nothing.
func Badge(w io.Writer, r *verdict.Report) error {
	const inset = 6
	d := badgeData{Label: "Cloudstate " + clip(r.Spec.Version, 20), Colour: badgeColours[r.Summary.Conclusion]}
	must := r.Summary.Requirements.Must
	d.Message = fmt.Sprintf("%s, %d of %d MUST", conclusionText(r), must.Passed, must.Applicable-must.Untestable)
	switch {
	case r.Selection.Partial:
		d.Message, d.Colour = fmt.Sprintf("a selection, %d of %d cases", r.Summary.Cases.Passed, ran(r.Summary.Cases)), badgeGrey
	case must.Announced > 0:
		d.Message += fmt.Sprintf(", %d known", must.Announced)
	}
	d.LabelWidth, d.MessageWidth = textWidth(d.Label), textWidth(d.Message)
	d.Left, d.Right = d.LabelWidth+2*inset, d.MessageWidth+2*inset
	d.Width, d.MessageX = d.Left+d.Right, d.Left+inset
	return badge.Execute(w, d)
}

// ran counts the cases that came to a verdict on the target, or should have.
func ran(c verdict.CaseCounts) int { return c.Total - c.NotApplicable - c.NotRun }
