// Command cloudstate-tck-model serves the TCK's model on the Go support library, on HOST (default 127.0.0.1) and PORT
// (default 8080), until it gets SIGTERM or SIGINT.
package main

import (
	"context"
	"fmt"
	"os"

	cloudstate "github.com/stateful-serverless/cloudstate/support-go"
	"github.com/stateful-serverless/cloudstate/support-go/tckmodel"
)

func main() {
	server := cloudstate.Server{Name: "cloudstate-tck-model", Services: tckmodel.Services()}
	if err := server.Run(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, "cloudstate-tck-model:", err)
		os.Exit(1)
	}
}
