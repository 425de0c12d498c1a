package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"syscall"

	"github.com/stateful-serverless/cloudstate/reference-proxy/config"
	"github.com/stateful-serverless/cloudstate/reference-proxy/telemetry"
)

// Run runs a proxy until ctx ends or the process gets SIGTERM or SIGINT, and returns
// the exit status.
func Run(ctx context.Context, args, environ []string, stdout, stderr io.Writer) int {
	cfg, err := config.Parse(config.Program{Name: "cloudstate-proxy", Version: version()}, args, environ, stdout)
	switch {
	case errors.Is(err, config.ErrShown):
		return 0
	case err != nil:
		_, _ = fmt.Fprintln(stderr, err)
		return 2
	}
	format := telemetry.Text
	if cfg.LogFormat == config.LogJSON {
		format = telemetry.JSON
	}
	log := telemetry.NewLogger(stderr, cfg.LogLevel, format)
	for _, unknown := range config.UnknownVariables(environ) {
		log.Warn("an environment variable is no setting and is ignored", "variable", unknown.Variable, "remedy", unknown.Remedy)
	}
	defer runtime.KeepAlive(headroom(os.LookupEnv))

	ctx, stop := signal.NotifyContext(ctx, syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	p, err := start(cfg, log)
	if err != nil {
		_, _ = fmt.Fprintln(stderr, "cloudstate-proxy:", err)
		return 1
	}
	err = p.run(ctx)
	// From here on a second signal ends the process at once.
	stop()
	if stopErr := p.stop(); stopErr != nil {
		log.Warn("the stop was not orderly", "error", stopErr)
	}
	if err != nil {
		_, _ = fmt.Fprintln(stderr, "cloudstate-proxy:", err)
		return 1
	}
	log.Info("stopped")
	return 0
}

// version is what the build recorded of itself.
func version() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" && info.Main.Version != "(devel)" {
		return info.Main.Version
	}
	return "dev"
}
