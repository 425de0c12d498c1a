package environment

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"

	"github.com/Shopify/toxiproxy/v2"
	"github.com/rs/zerolog"

	"github.com/stateful-serverless/cloudstate/tck/target"
)

// Link is a relay at one hop: it can be cut, late, narrow or lossy. Its methods must not be called at the same time.
type Link struct {
	relay *toxiproxy.Proxy
}

// NewLink listens at listen ("host:port", port 0 for any) and relays to target. Close it.
func NewLink(listen, target string) (*Link, error) {
	zerolog.SetGlobalLevel(zerolog.Disabled) // some toxics log on their own, and nobody else here uses it
	server := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop())
	l := &Link{toxiproxy.NewProxy(server, "to "+target, listen, target)}
	if err := l.relay.Start(); err != nil {
		return nil, fmt.Errorf("a link from %s to %s: %w", listen, target, err)
	}
	return l, nil
}

// Address is where the link listens, "host:port".
func (l *Link) Address() string { return l.relay.Listen }

// Cut closes every connection and refuses new ones.
func (l *Link) Cut() { l.relay.Stop() }

// Mend listens again after [Link.Cut], at the same address. The port was free for a moment: it waits for whoever took it for a connection of its own, until ctx ends.
func (l *Link) Mend(ctx context.Context) error {
	if err := target.Await(ctx, func(context.Context) error { return l.relay.Start() }, nil); err != nil {
		return fmt.Errorf("the link at %s cannot listen again: %w", l.Address(), err)
	}
	return nil
}

// Close ends it.
func (l *Link) Close() { l.relay.Stop() }

// toxic is one of toxiproxy's, with its attributes. See its README.
type toxic struct {
	kind, stream string
	attributes   map[string]any
	share        float64 // of the connections, 0 meaning all
}

// add puts a toxic on the link under a name; the returned function takes it off.
func (l *Link) add(name string, t toxic) (func() error, error) {
	if t.share == 0 {
		t.share = 1
	}
	text, err := json.Marshal(map[string]any{"name": name, "type": t.kind, "stream": t.stream, "toxicity": t.share, "attributes": t.attributes})
	if err != nil {
		return nil, err
	}
	if _, err := l.relay.Toxics.AddToxicJson(bytes.NewReader(text)); err != nil {
		return nil, fmt.Errorf("toxic %s: %w", t.kind, err)
	}
	return func() error { return l.relay.Toxics.RemoveToxic(context.Background(), name) }, nil
}
