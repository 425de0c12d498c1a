package postgres

import (
	"context"
	"fmt"
	"os"
)

// migrateVariable makes the test program migrate a schema and end.
const migrateVariable = "POSTGRES_TEST_MIGRATE"

func migrateAsProcess(url string) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	m, err := Migrate(ctx, Options{URL: url})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(m.From, m.To)
	os.Exit(0)
}
