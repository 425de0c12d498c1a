package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"syscall"

	"github.com/stateful-serverless/cloudstate/reference-proxy/config"
	"github.com/stateful-serverless/cloudstate/reference-proxy/telemetry"
)

// Run does what the arguments ask for, which is mostly to run a proxy until ctx ends or the process gets SIGTERM or
// SIGINT, and returns the exit status.
func Run(ctx context.Context, args, environ []string, stdout, stderr io.Writer) int {
	asked, err := config.Parse(config.Program{Name: "cloudstate-proxy", Version: version()}, args, environ, stdout)
	switch {
	case errors.Is(err, config.ErrShown):
		return 0
	case err != nil:
		_, _ = fmt.Fprintln(stderr, err)
		return 2
	}
	cfg := asked.Config
	format := telemetry.Text
	if cfg.LogFormat == config.LogJSON {
		format = telemetry.JSON
	}
	log := telemetry.NewLogger(stderr, cfg.LogLevel, format)
	for _, unknown := range config.UnknownVariables(environ) {
		log.Warn("an environment variable is no setting and is ignored", "variable", unknown.Variable, "remedy", unknown.Remedy)
	}
	for _, w := range asked.Warnings {
		log.Warn("a setting is probably not meant so", "place", w.Place, "problem", w.Problem, "remedy", w.Remedy)
	}
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	switch asked.Command {
	case config.StoreMigrate:
		err = migrate(ctx, cfg, log, stdout)
	case config.StorePrintSchema:
		err = printSchema(cfg, stdout)
	case config.StoreExport:
		err = exportStore(ctx, asked, log, stdout, stderr)
	case config.StoreImport:
		err = importStore(ctx, asked, log, stdout, stderr)
	case config.StoreCheck:
		err = checkStore(ctx, asked, log, stdout, stderr)
	case config.Run:
		err = runProxy(ctx, stop, cfg, log)
	}
	if err == nil {
		return 0
	}
	_, _ = fmt.Fprintln(stderr, "cloudstate-proxy:", err)
	if wrongSetting(err) {
		return 2
	}
	return 1
}

// runProxy runs a proxy until ctx ends; stop gives signals back their usual meaning.
func runProxy(ctx context.Context, stop func(), cfg *config.Config, log *slog.Logger) error {
	defer runtime.KeepAlive(headroom(os.LookupEnv))
	p, err := start(cfg, log)
	if err != nil {
		return err
	}
	err = p.run(ctx)
	// From here on a second signal ends the process at once.
	stop()
	if stopErr := p.stop(); stopErr != nil {
		log.Warn("the stop was not orderly", "error", stopErr)
	}
	if err == nil {
		log.Info("stopped")
	}
	return err
}

// version is what the build recorded of itself.
func version() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" && info.Main.Version != "(devel)" {
		return info.Main.Version
	}
	return "dev"
}
