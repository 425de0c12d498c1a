package archive_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"strings"
	"testing"

	"github.com/stateful-serverless/cloudstate/reference-proxy/journal/archive"
)

const version1 = `{"cloudstate-export":{"version":1,"created":"2024-05-06T07:08:09Z","by":"test"},"sum":"f1f28c4f3b0b3a12"}
{"entity":{"persistence-id":"carts","entity-id":"c1","pruned":1},"sum":"d8b9abda1ed4b9cf"}
{"event":{"seq":2,"payload":"dHdv","note":"bg=="},"sum":"e044b5c1df0c4249"}
{"snapshot":{"seq":2,"payload":"c3RhdGUgMg=="},"sum":"afdbc1fe4a18973b"}
{"entity":{"persistence-id":"carts","entity-id":"v%25"},"sum":"fe704696358ce842"}
{"value":{"payload":"c3RhdGU="},"sum":"ffdf8f5ad94e033b"}
{"end":{"entities":2,"events":1,"snapshots":1,"values":1,"sha256":"ffdf8f5ad94e033ba2ac37335c2c464c166dbe6b87db04bfdc3ec69e53d791a4"},"sum":"cbd91d8ad3048b03"}
`

// summed gives the lines of a stream the sums that they should have, so that a fuzzer gets past them.
func summed(stream string) string {
	var b strings.Builder
	all := sha256.New()
	for line := range strings.Lines(stream) {
		body, _, found := strings.Cut(line, `,"sum":`)
		if !found {
			b.WriteString(line)
			continue
		}
		all.Write([]byte(body))
		b.WriteString(body + `,"sum":"` + hex.EncodeToString(all.Sum(nil)[:8]) + "\"}\n")
	}
	return b.String()
}

// FuzzReader: whatever comes, the reader says what is wrong with it, or it is a stream that an import takes.
func FuzzReader(f *testing.F) {
	from := empty(f)
	fill(f, from)
	stream := export(f, from, archive.Selection{})
	f.Add(stream)
	f.Add(version1)
	f.Add(stream[:len(stream)/2])
	f.Fuzz(func(t *testing.T, s string) {
		s = summed(s)
		counts, err := archive.Verify(context.Background(), archive.NewReader(strings.NewReader(s)))
		var at *archive.LineError
		if err != nil {
			if !errors.As(err, &at) || at.Line < 1 || at.Line > 1+strings.Count(s, "\n") {
				t.Fatalf("%v", err)
			}
			return
		}
		to := empty(t)
		done, err := archive.Import(context.Background(), archive.NewReader(strings.NewReader(s)), to, to, func(*archive.RefusedError) {})
		if err != nil || done.Written+done.Present+done.Refused != counts.Entities {
			t.Fatalf("%v of %+v: %v", counts, done, err)
		}
	})
}
