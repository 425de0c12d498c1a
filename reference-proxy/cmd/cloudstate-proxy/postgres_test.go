package main

import (
	"context"
	"net/http"
	"net/url"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/stateful-serverless/cloudstate/fixtures/servers/postgres"
	"github.com/stateful-serverless/cloudstate/mockfunction"
	"github.com/stateful-serverless/cloudstate/protocols/gen/example/shoppingcart"
)

// command runs the program until it ends, and returns its exit status and all that it printed.
func command(t *testing.T, environ []string, args ...string) (int, string) {
	t.Helper()
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Env, cmd.Dir = environ, t.TempDir()
	said, _ := cmd.CombinedOutput() // the status tells
	return cmd.ProcessState.ExitCode(), string(said)
}

func execute(t *testing.T, address string, statements ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	conn, err := pgx.Connect(ctx, address)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(ctx) }()
	for _, sql := range statements {
		if _, err := conn.Exec(ctx, sql, pgx.QueryExecModeSimpleProtocol); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
}

// TestDatabaseIsAwaited has every trouble with a database that somebody may mend while the proxy waits for it: the server is away, has no
// tables, does not admit the user, gives it no rights. Each time the proxy is live and not ready and says what to do,
// never with the password; and when all is mended it serves without a restart (OPS-04).
func TestDatabaseIsAwaited(t *testing.T) {
	server := postgres.Run(t, postgres.Options{})
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	database, err := server.NewDatabase(ctx)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := url.Parse(database)
	if err != nil {
		t.Fatal(err)
	}
	parsed.User = url.UserPassword("worker", "s3cr3t")
	const login = "ALTER ROLE worker LOGIN PASSWORD 's3cr3t'"
	execute(t, database, "CREATE ROLE worker LOGIN PASSWORD 'another'")
	if err := server.Stop(ctx); err != nil {
		t.Fatal(err)
	}

	user := &carts{}
	free := ports(t, 2)
	t.Setenv("CLOUDSTATE_POSTGRES_URL", parsed.String())
	p := launch(t, free[0], free[1], serveFunction(t, mockfunction.New(user.config())), "--store=postgres", "--store-namespace=shop", "--data-dir=unused")
	said := func(parts ...string) {
		t.Helper()
		for _, part := range parts {
			await(t, "the proxy to say "+part, func() bool { return strings.Contains(p.output.String(), part) })
		}
		if live, ready := p.probe("/live"), p.probe("/ready"); live != http.StatusOK || ready != http.StatusServiceUnavailable {
			t.Fatalf("/live says %d and /ready %d, want 200 and 503", live, ready)
		}
	}
	said("the store cannot be used", server.Address(), "refused")
	if err := server.Restart(ctx); err != nil {
		t.Fatal(err)
	}
	said("correct the user or the password in the URL")
	execute(t, database, login)
	said("store migrate", "store print-schema", "shop")
	if code, text := command(t, []string{"CLOUDSTATE_POSTGRES_URL=" + database}, "store", "migrate", "--store=postgres", "--store-namespace=shop"); code != 0 || !strings.Contains(text, "schema shop") {
		t.Fatalf("store migrate ended with %d: %s", code, text)
	}
	said("GRANT USAGE ON SCHEMA")
	execute(t, database, "GRANT USAGE ON SCHEMA shop TO worker", "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA shop TO worker")
	p.ready()
	client := shoppingcart.NewShoppingCartClient(dial(t, p.client))
	if _, err := client.AddItem(ctx, &shoppingcart.AddLineItem{UserId: "u", ProductId: "p", Quantity: 1}); err != nil {
		t.Error(err)
	}
	if strings.Contains(p.output.String(), "s3cr3t") {
		t.Error("it told the password")
	}
	if code := p.terminate(); code != 0 {
		t.Errorf("it ended with status %d", code)
	}
}

// TestDatabaseRefused has what waiting does not mend, or not in time: the program ends, and says why in its last line.
func TestDatabaseRefused(t *testing.T) {
	server := postgres.Run(t, postgres.Options{})
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	database, err := server.NewDatabase(ctx)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "no-such-file")
	for _, namespace := range []string{"newer", "ours"} {
		code, text := command(t, []string{"CLOUDSTATE_POSTGRES_URL=" + database}, "store", "migrate", "--store=postgres", "--store-namespace="+namespace)
		if code != 0 {
			t.Fatal(text)
		}
	}
	execute(t, database, "INSERT INTO newer.format VALUES (99)", "CREATE ROLE reader LOGIN PASSWORD 's3cr3t'")
	reader, err := url.Parse(database)
	if err != nil {
		t.Fatal(err)
	}
	reader.User = url.UserPassword("reader", "s3cr3t")
	for name, c := range map[string]struct {
		environ, args []string
		status        int
		says          []string
	}{
		"a newer version's tables": {[]string{"CLOUDSTATE_POSTGRES_URL=" + database}, []string{"--store-namespace=newer"}, 1, []string{"format 99", "run the newer version"}},
		"no tables, no patience":   {[]string{"CLOUDSTATE_POSTGRES_URL=" + database}, []string{"--store-start-timeout=0s"}, 1, []string{"store migrate", "tried for 0s (--store-start-timeout)"}},
		"no rights, no patience":   {[]string{"CLOUDSTATE_POSTGRES_URL=" + reader.String()}, []string{"--store-start-timeout=1s", "--store-namespace=ours"}, 1, []string{"GRANT USAGE", "tried for 1s"}},
		"no URL":                   {[]string{"CLOUDSTATE_POSTGRES_URL=mysql://me:s3cr3t@db/x"}, nil, 2, []string{"postgres://"}},
		"no file":                  {nil, []string{"--postgres-url-file=" + file}, 2, []string{"postgres-url-file", file, "no such file"}},
	} {
		t.Run(name, func(t *testing.T) {
			free := ports(t, 2)
			code, said := command(t, c.environ, append([]string{"--store=postgres", "--http-port=" + strconv.Itoa(free[0]), "--management-port=" + strconv.Itoa(free[1])}, c.args...)...)
			lines := strings.Split(strings.TrimSpace(said), "\n")
			last := lines[len(lines)-1]
			for _, part := range c.says {
				if !strings.Contains(last, part) {
					t.Errorf("its last line does not say %q", part)
				}
			}
			if code != c.status || strings.Contains(said, "s3cr3t") {
				t.Errorf("it ended with status %d, want %d", code, c.status)
			}
			if t.Failed() {
				t.Logf("it said:\n%s", said)
			}
		})
	}
}

// TestPrintedSchema gives the statements to an administrator; the proxy's user, who may create nothing, serves on what they make.
func TestPrintedSchema(t *testing.T) {
	server := postgres.Run(t, postgres.Options{})
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	database, err := server.NewDatabase(ctx)
	if err != nil {
		t.Fatal(err)
	}
	code, schema := command(t, nil, "store", "print-schema", "--store=postgres", "--store-namespace=shop")
	if code != 0 {
		t.Fatal(schema)
	}
	execute(t, database, schema, "CREATE ROLE worker LOGIN PASSWORD 's3cr3t'",
		"GRANT USAGE ON SCHEMA shop TO worker", "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA shop TO worker")
	worker, err := url.Parse(database)
	if err != nil {
		t.Fatal(err)
	}
	worker.User = url.UserPassword("worker", "s3cr3t")
	if code, text := command(t, []string{"CLOUDSTATE_POSTGRES_URL=" + worker.String()}, "store", "migrate", "--store=postgres", "--store-namespace=shop"); code != 0 || !strings.Contains(text, "nothing to do") {
		t.Errorf("store migrate after it ended with %d: %s", code, text)
	}
	if code, text := command(t, []string{"CLOUDSTATE_POSTGRES_URL=" + worker.String()}, "store", "migrate", "--store=postgres", "--store-namespace=other"); code != 1 || !strings.Contains(text, "print-schema") {
		t.Errorf("store migrate without the right to ended with %d: %s", code, text)
	}
	user := &carts{}
	t.Setenv("CLOUDSTATE_POSTGRES_URL", worker.String())
	free := ports(t, 2)
	p := launch(t, free[0], free[1], serveFunction(t, mockfunction.New(user.config())), "--store=postgres", "--store-namespace=shop")
	p.ready()
}
