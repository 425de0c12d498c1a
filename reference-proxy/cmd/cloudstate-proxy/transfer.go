package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"github.com/stateful-serverless/cloudstate/reference-proxy/cluster"
	"github.com/stateful-serverless/cloudstate/reference-proxy/config"
	"github.com/stateful-serverless/cloudstate/reference-proxy/journal"
	"github.com/stateful-serverless/cloudstate/reference-proxy/journal/archive"
	"github.com/stateful-serverless/cloudstate/reference-proxy/journal/pebble"
)

// The ways in which a transfer ends that is not complete; what is wrong was said where it was met.
var (
	errLeftOut = errors.New("not everything was exported")
	errRefused = errors.New("not everything was imported")
	errDamaged = errors.New("the store is damaged")
	errNobody  = errors.New("there is no such entity in the store")
)

// openData opens the store of a command that reads what is there.
func openData(ctx context.Context, cfg *config.Config, log *slog.Logger) (journal.Store, error) {
	if cfg.Store == config.StoreEmbedded {
		return opened(pebble.Open(cfg.DataDir, pebble.Options{Logger: log, ReserveBytes: reserve(cfg), MustExist: true}))
	}
	return openStore(ctx, cfg, log, nil)
}

// selection is which entities are meant.
func selection(t config.Transfer) (s archive.Selection, err error) {
	for _, part := range []struct {
		flag string
		text *string
		to   **string
	}{{"persistence-id", t.PersistenceID, &s.Namespace}, {"entity-id", t.EntityID, &s.Key}} {
		if part.text == nil {
			continue
		}
		id, err := journal.UnescapeID(*part.text)
		if err != nil {
			return s, fmt.Errorf("%w: %s: %w", errSetting, part.flag, err)
		}
		*part.to = &id
	}
	return s, nil
}

// closing closes the store at the end of a command; what went wrong before matters more.
func closing(store io.Closer, err *error) {
	if closeErr := store.Close(); *err == nil {
		*err = closeErr
	}
}

// exportStore writes entities to the file, or to stdout. What a person wants to know goes to stderr.
func exportStore(ctx context.Context, asked *config.Invocation, log *slog.Logger, stdout, stderr io.Writer) (err error) {
	which, err := selection(asked.Transfer)
	if err != nil {
		return err
	}
	store, err := openData(ctx, asked.Config, log)
	if err != nil {
		return err
	}
	defer closing(store, &err)
	to := stdout
	if path := asked.Transfer.File; path != "" {
		file, openErr := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if errors.Is(openErr, os.ErrExist) {
			return fmt.Errorf("%w: file: %s is there already; name a file that is not", errSetting, path)
		}
		if openErr != nil {
			return fmt.Errorf("%w: file: %w; name a file that can be made", errSetting, openErr)
		}
		defer func() {
			if err == nil || errors.Is(err, errLeftOut) {
				err = errors.Join(err, file.Sync(), file.Close())
				return
			}
			_ = file.Close() // it is of no use
			_ = os.Remove(path)
		}()
		to = file
	}
	counts, err := writeExport(ctx, store, which, to, stderr)
	if err != nil {
		return err
	}
	_, _ = fmt.Fprintf(stderr, "exported: %v\n", counts) // what matters is in the stream
	switch {
	case counts.Damaged > 0:
		return fmt.Errorf("%w: %d damaged entities were left out, see above; restore them from a backup", errLeftOut, counts.Damaged)
	case which.Key != nil && counts.Entities == 0:
		return errNobody
	}
	return nil
}

func writeExport(ctx context.Context, store journal.Store, which archive.Selection, to, stderr io.Writer) (archive.Counts, error) {
	buffered := bufio.NewWriterSize(to, 256<<10)
	w, err := archive.NewWriter(buffered, "cloudstate-proxy "+version(), time.Now())
	if err != nil {
		return archive.Counts{}, err
	}
	counts, err := archive.Export(ctx, store, which, w, tellDamage(stderr))
	if err == nil {
		err = w.Close()
	}
	if err == nil {
		err = buffered.Flush()
	}
	return counts, err
}

// tellDamage says what is damaged, a line each.
func tellDamage(to io.Writer) func(error) {
	return func(err error) {
		var damage *journal.CorruptError
		if errors.As(err, &damage) && damage.ID != (journal.EntityID{}) {
			_, _ = fmt.Fprintf(to, "damaged: --persistence-id='%s' --entity-id='%s': %s\n",
				journal.EscapeID(damage.ID.Namespace), journal.EscapeID(damage.ID.Key), damageText(damage))
			return
		}
		_, _ = fmt.Fprintf(to, "damaged: %v\n", err)
	}
}

// damageText is what was found, without whose it is.
func damageText(damage *journal.CorruptError) string {
	if damage.Cause != nil {
		return damage.What + ": " + damage.Cause.Error()
	}
	return damage.What
}

// importStore writes the entities of the file, or of the standard input, into the store.
func importStore(ctx context.Context, asked *config.Invocation, log *slog.Logger, stdout, stderr io.Writer) (err error) {
	from := io.Reader(os.Stdin)
	if path := asked.Transfer.File; path != "" {
		file, err := os.Open(path)
		if err != nil {
			return fmt.Errorf("%w: file: %w", errSetting, err)
		}
		defer func() { _ = file.Close() }() // it was only read
		from = file
	}
	reader := archive.NewReader(from)
	if asked.Transfer.DryRun {
		counts, err := archive.Verify(ctx, reader)
		if err != nil {
			return err
		}
		_, _ = fmt.Fprintf(stdout, "whole: %v; nothing was imported\n", counts)
		if counts.Damaged > 0 {
			return fmt.Errorf("%w: the export is whole, but %d damaged entities were left out when it was made", errLeftOut, counts.Damaged)
		}
		return nil
	}
	store, err := openStore(ctx, asked.Config, log, nil)
	if err != nil {
		return err
	}
	defer closing(store, &err)
	owner := cluster.NewLocal(cluster.Config{Store: store, Lease: asked.Config.LeaseDuration, Logger: log})
	defer owner.Close()
	done, err := archive.Import(ctx, reader, store, owner, func(e *archive.RefusedError) {
		_, _ = fmt.Fprintf(stderr, "refused: --persistence-id='%s' --entity-id='%s': %s\n", journal.EscapeID(e.ID.Namespace), journal.EscapeID(e.ID.Key), refusal(e))
	})
	_, _ = fmt.Fprintf(stdout, "read: %v\nimported: %d entities, %d were there already, %d refused\n", done.Read, done.Written, done.Present, done.Refused)
	switch {
	case err != nil:
		return fmt.Errorf("%w; what was imported stays: when this is mended, run the import again", err)
	case done.Refused > 0:
		return fmt.Errorf("%w: %d entities were refused, see above", errRefused, done.Refused)
	case done.Read.Damaged > 0:
		return fmt.Errorf("%w: all of the export is in the store, but %d damaged entities were left out when it was made", errRefused, done.Read.Damaged)
	}
	return nil
}

// refusal adds what to do to why an entity was refused.
func refusal(e *archive.RefusedError) string {
	switch {
	case errors.Is(e, journal.ErrHeld):
		return e.Err.Error() + "; a running proxy owns it: stop the proxies of this store and run the import again"
	case errors.Is(e, archive.ErrDiffers) && e.Begun:
		return e.Err.Error() + "; what it has stays, but what it had not of the export may have been added before this was noticed: remove it and run the import again"
	case errors.Is(e, archive.ErrDiffers):
		return e.Err.Error() + "; it is left as it is: import into an empty namespace, or remove it first"
	}
	return e.Err.Error()
}

// checkStore names what is damaged on stdout.
func checkStore(ctx context.Context, asked *config.Invocation, log *slog.Logger, stdout, stderr io.Writer) (err error) {
	which, err := selection(asked.Transfer)
	if err != nil {
		return err
	}
	store, err := openData(ctx, asked.Config, log)
	if err != nil {
		return err
	}
	defer closing(store, &err)
	found, err := archive.Check(ctx, store, which, tellDamage(stdout))
	if err != nil {
		return err
	}
	_, _ = fmt.Fprintf(stderr, "read: %v; damaged: %d\n", found, found.Damaged)
	switch {
	case found.Damaged > 0:
		return fmt.Errorf("%w: see above; restore what is named from a backup, and the rest goes on being served", errDamaged)
	case which.Key != nil && found.Entities == 0:
		return errNobody
	}
	return nil
}
