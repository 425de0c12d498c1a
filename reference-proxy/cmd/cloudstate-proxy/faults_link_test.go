package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/Shopify/toxiproxy/v2"
	"github.com/rs/zerolog"
)

// link is the way from a proxy to its database: a relay that can be cut, slow or mute.
type link struct{ relay *toxiproxy.Proxy }

// newLink relays to target, "host:port".
func newLink(t *testing.T, target string) *link {
	t.Helper()
	zerolog.SetGlobalLevel(zerolog.Disabled) // some toxics log on their own
	server := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop())
	l := &link{toxiproxy.NewProxy(server, t.Name(), "127.0.0.1:0", target)}
	if err := l.relay.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.relay.Stop)
	return l
}

// address is where the proxy finds its database.
func (l *link) address() string { return l.relay.Listen }

// disturbances are what can become of a link for d.
func (l *link) disturbances() []disturbance {
	return []disturbance{
		{"link cut", func(ctx context.Context, _ *rand.Rand, d time.Duration) error {
			l.relay.Stop() // every connection is closed, new ones are refused
			idle(ctx, d)
			return l.relay.Start()
		}},
		// Nothing arrives any more, and nobody is told: what was sent in the meantime is lost when it ends, with its connection.
		{"link mute", l.toxic("timeout", "downstream", map[string]any{"timeout": 0}, 1)},
		{"link deaf", l.toxic("timeout", "upstream", map[string]any{"timeout": 0}, 1)},
		{"link slow", l.toxic("latency", "downstream", map[string]any{"latency": 200, "jitter": 150}, 1)},
		{"half of the connections slow", l.toxic("latency", "upstream", map[string]any{"latency": 800, "jitter": 700}, 0.5)},
		{"link narrow", l.toxic("bandwidth", "upstream", map[string]any{"rate": 4}, 1)},
		// Each connection is reset, or ends in the middle of a message.
		{"link reset", l.toxic("reset_peer", "downstream", map[string]any{"timeout": 50}, 1)},
		{"messages torn", l.toxic("limit_data", "upstream", map[string]any{"bytes": 700}, 1)},
		{"answers torn", l.toxic("limit_data", "downstream", map[string]any{"bytes": 300}, 0.7)},
	}
}

// toxic is a disturbance by one of toxiproxy's toxics. toxicity is the share of connections that it meets.
func (l *link) toxic(kind, stream string, attributes map[string]any, toxicity float64) func(context.Context, *rand.Rand, time.Duration) error {
	return func(ctx context.Context, _ *rand.Rand, d time.Duration) error {
		text, err := json.Marshal(map[string]any{"name": kind, "type": kind, "stream": stream, "toxicity": toxicity, "attributes": attributes})
		if err != nil {
			return err
		}
		if _, err := l.relay.Toxics.AddToxicJson(bytes.NewReader(text)); err != nil {
			return fmt.Errorf("toxic %s: %w", kind, err)
		}
		idle(ctx, d)
		return l.relay.Toxics.RemoveToxic(context.Background(), kind)
	}
}
