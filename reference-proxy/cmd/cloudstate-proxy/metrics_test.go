package main

import (
	"context"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/stateful-serverless/cloudstate/fixtures/servers/postgres"
	"github.com/stateful-serverless/cloudstate/mockfunction"
	"github.com/stateful-serverless/cloudstate/protocols/gen/example/shoppingcart"
)

// scrape reads a proxy's metrics, by name.
func (p *process) scrape() map[string]*dto.MetricFamily {
	p.t.Helper()
	res, err := http.Get("http://" + p.probes + "/metrics")
	if err != nil {
		p.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		p.t.Fatalf("/metrics: %d, %v", res.StatusCode, err)
	}
	return families
}

// reading is the value of the one series of name with these labels, name=value each; of a histogram the number of observations.
func reading(families map[string]*dto.MetricFamily, name string, labels ...string) float64 {
	for _, m := range families[name].GetMetric() {
		var has []string
		for _, l := range m.GetLabel() {
			has = append(has, l.GetName()+"="+l.GetValue())
		}
		if slices.ContainsFunc(labels, func(l string) bool { return !slices.Contains(has, l) }) {
			continue
		}
		switch {
		case m.GetHistogram() != nil:
			return float64(m.GetHistogram().GetSampleCount())
		case m.GetCounter() != nil:
			return m.GetCounter().GetValue()
		}
		return m.GetGauge().GetValue()
	}
	return -1
}

// documented is the table of the page: name to its type and labels.
func documented(t *testing.T) map[string]string {
	t.Helper()
	page, err := os.ReadFile("../../../docs/operations/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	table := map[string]string{}
	for _, row := range regexp.MustCompile("(?m)^\\| `(cloudstate_[a-z_]+)` \\| (gauge|counter|histogram) \\|([^|]*)\\|").FindAllStringSubmatch(string(page), -1) {
		labels := strings.FieldsFunc(row[3], func(r rune) bool { return strings.ContainsRune("`, ", r) })
		slices.Sort(labels)
		table[row[1]] = row[2] + " " + strings.Join(labels, ",")
	}
	return table
}

// answered is the same of what a proxy answers.
func answered(families map[string]*dto.MetricFamily) map[string]string {
	table := map[string]string{}
	for name, f := range families {
		if !strings.HasPrefix(name, "cloudstate_") {
			continue
		}
		var labels []string
		for _, l := range f.GetMetric()[0].GetLabel() {
			labels = append(labels, l.GetName())
		}
		slices.Sort(labels)
		table[name] = strings.ToLower(f.GetType().String()) + " " + strings.Join(labels, ",")
	}
	return table
}

// TestMetrics runs a proxy on PostgreSQL and holds what it tells against the page that explains it, and against what was done.
func TestMetrics(t *testing.T) {
	server := postgres.Run(t, postgres.Options{})
	user := &carts{}
	t.Setenv("CLOUDSTATE_POSTGRES_URL", server.URL())
	free := ports(t, 2)
	p := launch(t, free[0], free[1], serveFunction(t, mockfunction.New(user.config())), "--store=postgres", "--store-auto-migrate", "--lease-duration=1m")
	p.ready()
	client := shoppingcart.NewShoppingCartClient(dial(t, p.client))
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	const writes = 10
	for i := range writes {
		if _, err := client.AddItem(ctx, &shoppingcart.AddLineItem{UserId: cartID(i % 2), ProductId: "an-entity's-own", Quantity: 1}); err != nil {
			t.Fatal(err)
		}
	}
	families := p.scrape()
	want, got := documented(t), answered(families)
	for name, is := range got {
		if want[name] != is {
			t.Errorf("docs/operations/metrics.md says of %s %q, and it is %q", name, want[name], is)
		}
	}
	for name := range want {
		if got[name] == "" {
			t.Errorf("docs/operations/metrics.md tells of %s, which the proxy does not have", name)
		}
	}
	for _, c := range []struct {
		name   string
		labels []string
		from   float64
		to     float64
	}{
		{"cloudstate_ready", nil, 1, 1},
		{"cloudstate_lease_held", nil, 1, 1},
		{"cloudstate_lease_remaining_seconds", nil, 0.001, 60},
		{"cloudstate_lease_renewals_total", nil, 1, 1000},
		{"cloudstate_lease_losses_total", nil, 0, 0},
		{"cloudstate_shards_owned", nil, 1, 2},
		{"cloudstate_entity_instances", nil, 2, 2},
		{"cloudstate_replay_events", nil, 2, 2},
		{"cloudstate_store_operation_seconds", []string{"store=postgres", "operation=append"}, writes, writes},
		{"cloudstate_store_operations_in_flight", []string{"operation=append"}, 0, 0},
		{"cloudstate_store_operation_errors_total", []string{"operation=append", "error=unavailable"}, 0, 0},
		{"cloudstate_store_group_size", []string{"group=writes"}, writes, writes + 2},
		{"cloudstate_store_written_bytes_total", nil, 10 * writes, 1 << 20},
	} {
		if v := reading(families, c.name, c.labels...); v < c.from || v > c.to {
			t.Errorf("%s%v is %v, want %v to %v", c.name, c.labels, v, c.from, c.to)
		}
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			for _, l := range m.GetLabel() {
				if strings.Contains(l.GetValue(), "cart") {
					t.Errorf("a label of %s has the value %q", f.GetName(), l.GetValue())
				}
			}
		}
	}

	// Without a store there is less to tell.
	free = ports(t, 2)
	none := launch(t, free[0], free[1], 1, "--store=none")
	await(t, "the proxy to be live", func() bool { return none.probe("/live") == http.StatusOK })
	if got := answered(none.scrape()); len(got) != 1 || got["cloudstate_ready"] == "" {
		t.Errorf("without a store it tells of %v", got)
	}
}

// TestPageNamesEveryValue: the page lists the values that labels have.
func TestPageNamesEveryValue(t *testing.T) {
	page, err := os.ReadFile("../../../docs/operations/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	free := ports(t, 2)
	p := launch(t, free[0], free[1], 1, "--store=memory")
	await(t, "the proxy to be live", func() bool { return p.probe("/live") == http.StatusOK })
	for name, f := range p.scrape() {
		for _, m := range f.GetMetric() {
			for _, l := range m.GetLabel() {
				if strings.HasPrefix(name, "cloudstate_") && !strings.Contains(string(page), "`"+l.GetValue()+"`") {
					t.Errorf("%s has the label %s=%q, which the page does not explain", name, l.GetName(), l.GetValue())
				}
			}
		}
	}
}
