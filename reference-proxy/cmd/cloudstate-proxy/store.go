package main

import (
	"fmt"
	"log/slog"

	"github.com/stateful-serverless/cloudstate/reference-proxy/config"
	"github.com/stateful-serverless/cloudstate/reference-proxy/journal"
	"github.com/stateful-serverless/cloudstate/reference-proxy/journal/memory"
	"github.com/stateful-serverless/cloudstate/reference-proxy/journal/pebble"
)

// openStore opens the store that the settings name; nil for none.
func openStore(cfg *config.Config, log *slog.Logger) (journal.Store, error) {
	switch cfg.Store {
	case config.StoreMemory:
		log.Warn("state is kept in memory only and is lost when the proxy ends; --store embedded keeps it")
		return memory.New(), nil
	case config.StoreEmbedded:
		s, err := pebble.Open(cfg.DataDir, pebble.Options{
			DangerouslyNoSync: !cfg.Fsync,
			ReserveBytes:      int64(cfg.FreeSpaceReserve),
			Logger:            log,
		})
		if err != nil {
			return nil, fmt.Errorf("opening the store: %w", err)
		}
		return s, nil
	case config.StoreNone:
	}
	return nil, nil
}
