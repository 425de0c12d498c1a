// Command cloudstate-tck judges proxies, language support libraries and stores against SPEC.md. Try cloudstate-tck --help.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/stateful-serverless/cloudstate/tck/cli"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	status := cli.Run(ctx, os.Args[1:], cli.Stdio{Out: os.Stdout, Err: os.Stderr})
	stop()
	os.Exit(status)
}
