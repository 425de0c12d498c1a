package target

import (
	"context"
	"fmt"
	"net/http"
	"regexp"
	"strings"
)

// Prober is asked to show a target's signs of readiness. [Process] and a container are.
type Prober interface {
	// Said returns what the target wrote since it was launched.
	Said() string
	// Succeeds runs a command where the target runs and returns nil when it exits with status 0.
	Succeeds(ctx context.Context, command []string) error
	// Direct returns where connections to address are accepted by the target itself and nothing in between.
	Direct(address string) string
}

// Probe returns a probe for what r asks for. address is host:port of the target's port, http that of the port which answers HTTP.
func (r Ready) Probe(prober Prober, address, http string) (Probe, error) {
	var all []Probe
	if r.Port {
		all = append(all, Listening(prober, address))
	}
	if r.HTTP != "" {
		all = append(all, answers("http://"+http+r.HTTP))
	}
	if r.Log != "" {
		pattern, err := regexp.Compile(r.Log)
		if err != nil {
			return nil, fmt.Errorf("ready.log: %w", err)
		}
		all = append(all, func(context.Context) error {
			if !pattern.MatchString(prober.Said()) {
				return fmt.Errorf("nothing that it wrote matches %q", r.Log)
			}
			return nil
		})
	}
	if len(r.Command) > 0 {
		all = append(all, func(ctx context.Context) error { return prober.Succeeds(ctx, r.Command) })
	}
	return All(all...), nil
}

// Listening is a probe that succeeds when the target itself accepts connections to address; prober is nil when nothing is known of it.
func Listening(prober Prober, address string) Probe {
	return func(ctx context.Context) error {
		if prober == nil {
			return Accepting(address)(ctx)
		}
		return Accepting(prober.Direct(address))(ctx)
	}
}

// All returns a probe that succeeds when each of probes does, asked in order.
func All(probes ...Probe) Probe {
	return func(ctx context.Context) error {
		for _, probe := range probes {
			if err := probe(ctx); err != nil {
				return err
			}
		}
		return nil
	}
}

// Match returns the named groups of the log pattern in what the target wrote; nil when it asks for none.
func (r Ready) Match(said string) map[string]string {
	pattern, err := regexp.Compile(r.Log)
	if r.Log == "" || err != nil {
		return nil
	}
	groups := map[string]string{}
	found := pattern.FindStringSubmatch(said)
	for i, name := range pattern.SubexpNames() {
		if name != "" && i < len(found) {
			groups[name] = strings.TrimSpace(found[i])
		}
	}
	return groups
}

// answers is ready when a GET of url is answered with 2xx.
func answers(url string) Probe {
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	return func(ctx context.Context) error {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
		if err != nil {
			return err
		}
		response, err := client.Do(request)
		if err != nil {
			return err
		}
		_ = response.Body.Close() // nothing of it is wanted
		if response.StatusCode/100 != 2 {
			return fmt.Errorf("GET %s: %s", url, response.Status)
		}
		return nil
	}
}
