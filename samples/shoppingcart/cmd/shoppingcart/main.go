// Command shoppingcart serves the shopping cart as an event sourced entity to a Cloudstate proxy, on HOST (default 127.0.0.1)
// and PORT (default 8080), until it gets SIGTERM or SIGINT.
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/stateful-serverless/cloudstate/samples/shoppingcart/cart"
	cloudstate "github.com/stateful-serverless/cloudstate/support-go"
)

func main() {
	if err := cloudstate.Run(context.Background(), cart.Service()); err != nil {
		fmt.Fprintln(os.Stderr, "shoppingcart:", err)
		os.Exit(1)
	}
}
