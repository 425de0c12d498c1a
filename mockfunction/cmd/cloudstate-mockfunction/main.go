// Command cloudstate-mockfunction serves a user function that does what each request tells it to, for trying a proxy.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"

	"github.com/stateful-serverless/cloudstate/protocols/trace/mockcli"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], mockcli.Stdio{In: os.Stdin, Out: os.Stdout, Err: os.Stderr})
	stop()
	os.Exit(code)
}

// run is the whole program; it returns the exit status.
func run(ctx context.Context, args []string, stdio mockcli.Stdio) int {
	return mockcli.Run(ctx, args, stdio, &commands{}, kong.Name("cloudstate-mockfunction"), kong.Description(description))
}
