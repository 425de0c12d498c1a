package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	cassandraserver "github.com/stateful-serverless/cloudstate/fixtures/servers/cassandra"
	"github.com/stateful-serverless/cloudstate/fixtures/servers/postgres"
	"github.com/stateful-serverless/cloudstate/mockfunction"
	"github.com/stateful-serverless/cloudstate/protocols/gen/example/shoppingcart"
	vecart "github.com/stateful-serverless/cloudstate/protocols/gen/example/valueentity/shoppingcart"
)

// TestOperations is what whoever looks after a store does, with each store: finding damage, living with it and mending it,
// and moving what a store holds into another one.
func TestOperations(t *testing.T) {
	pg := postgres.Run(t, postgres.Options{})
	cass := cassandraserver.Run(t, cassandraserver.Options{})
	t.Run("damage", func(t *testing.T) {
		t.Run("embedded", func(t *testing.T) {
			dir := t.TempDir()
			damageAndMend(t, nil, []string{"--data-dir=" + dir}, embeddedHarms(dir))
		})
		t.Run("postgres", func(t *testing.T) {
			damageAndMend(t, []string{"CLOUDSTATE_POSTGRES_URL=" + pg.URL()}, []string{"--store=postgres"}, postgresHarms(pg.URL()))
		})
		t.Run("cassandra", func(t *testing.T) {
			damageAndMend(t, nil, []string{"--store=cassandra", "--cassandra-hosts=" + cass.Addresses()[0], "--cassandra-replication=1"}, cassandraHarms(cass))
		})
	})
	t.Run("transfer", func(t *testing.T) {
		database, err := pg.NewDatabase(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		everyPair(t, database, cass)
	})
}

// damageAndMend fills a store through a proxy, harms it, and looks at what the next proxy and the commands make of it; then it
// undoes the harm, under the running proxy.
func damageAndMend(t *testing.T, environ, args []string, harms []harm) {
	for _, e := range environ {
		name, value, _ := strings.Cut(e, "=")
		t.Setenv(name, value)
	}
	user := &carts{}
	function := serveFunction(t, mockfunction.New(user.config()))
	start := func(lease string) (*process, shoppingcart.ShoppingCartClient, vecart.ShoppingCartClient) {
		free := ports(t, 2)
		p := launch(t, free[0], free[1], function, append(args, "--lease-duration="+lease)...)
		p.ready()
		conn := dial(t, p.client)
		return p, shoppingcart.NewShoppingCartClient(conn), vecart.NewShoppingCartClient(conn)
	}
	// ask reads a cart. A machine that does nothing for longer than the lease costs the proxy its lease, and callers are told to try again.
	ask := func(h harm, list shoppingcart.ShoppingCartClient, number vecart.ShoppingCartClient) error {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		for {
			items := h.events()
			var err error
			if h.value {
				_, err = number.GetCart(ctx, &vecart.GetShoppingCart{UserId: h.cart})
			} else {
				var cart *shoppingcart.Cart
				cart, err = list.GetCart(ctx, &shoppingcart.GetShoppingCart{UserId: h.cart})
				items = len(cart.GetItems())
			}
			if status.Code(err) == codes.Unavailable && ctx.Err() == nil {
				idle(ctx, 10*time.Millisecond)
				continue
			}
			if err == nil && items != h.events() {
				t.Errorf("%s has %d items of %d", h.cart, items, h.events())
			}
			return err
		}
	}
	embedded := slices.ContainsFunc(args, func(a string) bool { return strings.HasPrefix(a, "--data-dir") })
	if !embedded {
		if code, said := command(t, os.Environ(), append([]string{"store", "migrate"}, args...)...); code != 0 {
			t.Fatal(said)
		}
	}
	wholes := []harm{{cart: "whole"}, {cart: "whole", value: true}}
	p, list, number := start("1m") // an orderly end gives it back at once
	for _, h := range append(slices.Clone(harms), wholes...) {
		for n := range h.events() {
			var err error
			if h.value {
				_, err = number.AddItem(t.Context(), &vecart.AddLineItem{UserId: h.cart, ProductId: product(h.cart, n), Quantity: int32(n)})
			} else {
				_, err = list.AddItem(t.Context(), &shoppingcart.AddLineItem{UserId: h.cart, ProductId: product(h.cart, n), Quantity: int32(n)})
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	if code := p.terminate(); code != 0 {
		t.Fatalf("it ended with status %d", code)
	}
	file := filepath.Join(t.TempDir(), "export.jsonl")
	if code, said := command(t, os.Environ(), append([]string{"store", "export", "--file=" + file}, args...)...); code != 0 || !strings.Contains(said, "exported: ") {
		t.Fatalf("export: status %d, %s", code, said)
	}
	if code, said := command(t, os.Environ(), append([]string{"store", "check"}, args...)...); code != 0 || !strings.Contains(said, "damaged: 0") {
		t.Fatalf("check of what is whole: status %d, %s", code, said)
	}

	var undo []func()
	for _, h := range harms {
		undo = append(undo, h.do(t))
	}
	damageIsNamed(t, args, harms)
	p, list, number = start("2s") // so long an import waits for it
	for range 3 {
		for _, h := range harms {
			err := ask(h, list, number)
			if s := status.Convert(err); s.Code() != codes.DataLoss || !strings.Contains(s.Message(), fmt.Sprintf("%q %q", h.persistenceID(), h.cart)) {
				t.Errorf("%s, %s: %v, want DATA_LOSS and whose", h.persistenceID(), h.cart, err)
			}
		}
		for _, h := range wholes {
			if err := ask(h, list, number); err != nil {
				t.Errorf("%s, which is whole: %v", h.cart, err)
			}
		}
	}
	var listed struct {
		Quarantined []struct{ PersistenceID, EntityID, Reason string }
	}
	_, body := p.answer("/quarantine")
	if err := json.Unmarshal([]byte(body), &listed); err != nil || len(listed.Quarantined) != len(harms) {
		t.Errorf("listed: %s, %v", body, err)
	}
	for _, h := range harms {
		if !slices.ContainsFunc(listed.Quarantined, func(e struct{ PersistenceID, EntityID, Reason string }) bool {
			return e.EntityID == h.cart && e.PersistenceID == h.persistenceID() && strings.Contains(e.Reason, h.says)
		}) {
			t.Errorf("%s with %q is not among %s", h.cart, h.says, body)
		}
	}
	if told := strings.Count(p.output.String(), "what is stored of an entity is damaged"); told != len(harms) {
		t.Errorf("it was logged %d times for %d entities", told, len(harms))
	}
	for _, u := range undo {
		u()
	}
	res, err := http.Post("http://"+p.probes+"/quarantine/retry", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, _ := io.ReadAll(res.Body)
	_ = res.Body.Close()
	if res.StatusCode != http.StatusOK || !strings.Contains(string(answer), fmt.Sprintf(`"retried": %d`, len(harms))) {
		t.Errorf("retry: %s", answer)
	}
	for _, h := range harms {
		if err := ask(h, list, number); err != nil {
			t.Errorf("%s, mended: %v", h.cart, err)
		}
	}
	// The entities belong to the running proxy; where the store is one process's, all of it does.
	owned := "a running proxy owns it: stop the proxies"
	if embedded {
		owned = "store in use by another proxy"
	}
	if code, said := command(t, os.Environ(), append([]string{"store", "import", "--file=" + file}, args...)...); code != 1 || !strings.Contains(said, owned) {
		t.Errorf("import beside a running proxy: status %d, %s", code, said)
	}
	if _, body := p.answer("/quarantine"); strings.Contains(body, "entityId") {
		t.Errorf("still listed: %s", body)
	}
	if code := p.terminate(); code != 0 {
		t.Errorf("it ended with status %d", code)
	}
	// What is there is what was exported: the import finds nothing to do.
	if code, said := command(t, os.Environ(), append([]string{"store", "import", "--file=" + file}, args...)...); code != 0 || !strings.Contains(said, "imported: 0 entities, ") {
		t.Errorf("import over the same: status %d, %s", code, said)
	}
	for _, f := range user.faults {
		t.Error(f)
	}
}

// damageIsNamed: the check names each damaged entity and what was found, and an export leaves out these and no others.
func damageIsNamed(t *testing.T, args []string, harms []harm) {
	t.Helper()
	for _, what := range []string{"check", "export"} {
		code, said := command(t, os.Environ(), append([]string{"store", what}, args...)...)
		if code != 1 {
			t.Errorf("store %s: status %d", what, code)
		}
		for _, h := range harms {
			want, says := fmt.Sprintf("damaged: --persistence-id='%s' --entity-id='%s': ", h.persistenceID(), h.cart), h.says
			if h.nameless {
				want, says = "damaged: journal: store damaged at ", "cannot be listed"
			}
			if i := strings.Index(said, want); i < 0 || !strings.Contains(said[i:], says) {
				t.Errorf("store %s does not say %s%s", what, want, says)
			}
		}
		if strings.Contains(said, "--entity-id='whole'") {
			t.Errorf("store %s names what is whole", what)
		}
		if what == "export" && strings.Count(said, `"entity-id":"whole"`) != 2 {
			t.Errorf("store %s leaves out what is whole", what)
		}
	}
}
