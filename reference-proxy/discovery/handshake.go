package discovery

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate"
)

// handshake is the state of one Run. One goroutine uses it.
type handshake struct {
	uf      UserFunction
	cfg     Config
	sink    Sink
	log     *slog.Logger
	backoff backoff

	current  *Function              // the last one that was served
	reported string                 // the last report that the user function, as it is connected now, was sent
	silences map[codes.Code]silence // of failures to reach it that were logged, so that a long absence is few lines
}

// silence is how long a failure to reach the user function is not logged again.
type silence struct {
	length time.Duration
	until  time.Time
}

// A silence is twice as long as the one before it, within these bounds.
const (
	firstSilence   = time.Minute
	longestSilence = 10 * time.Minute
)

// settle asks until there is an answer that can be served, and serves it. It returns false when ctx ended.
func (h *handshake) settle(ctx context.Context) bool {
	h.backoff.reset()
	h.reported, h.silences = "", make(map[codes.Code]silence)
	for {
		h.forgetLoss()
		spec, err := h.discover(ctx)
		if ctx.Err() != nil {
			return false
		}
		if err != nil {
			if !h.pause(ctx, h.discoverFailed(err)) {
				return false
			}
			continue
		}
		f, problems := Validate(spec, h.cfg.Options)
		if len(problems) == 0 {
			h.accept(f)
			return true
		}
		if !h.pause(ctx, h.refused(problems)) {
			return false
		}
	}
}

// forgetLoss drops a loss of connection from before the answer that is about to be asked for.
func (h *handshake) forgetLoss() {
	select {
	case <-h.uf.Disconnected():
		h.reported = ""
	default:
	}
}

func (h *handshake) discover(ctx context.Context) (*cloudstate.EntitySpec, error) {
	ctx, cancel := context.WithTimeout(ctx, h.cfg.DiscoverTimeout)
	defer cancel()
	return h.uf.Discover(ctx, h.cfg.info())
}

// failure is why there is nothing to serve yet.
type failure struct {
	first  time.Duration // pause after the first failure of this sort
	report string        // what the user function is told, empty for nothing
}

// discoverFailed judges a call that brought no answer.
func (h *handshake) discoverFailed(err error) failure {
	code := codeOf(err)
	if code == codes.Unavailable || code == codes.DeadlineExceeded || code == codes.Canceled {
		// Nobody is there to be told.
		if last := h.silences[code]; !time.Now().Before(last.until) {
			length := min(max(2*last.length, firstSilence), longestSilence)
			h.silences[code] = silence{length: length, until: time.Now().Add(length)}
			h.log.Warn("the user function does not answer and is tried again: start it, or check the proxy's settings user-function-host and user-function-port", "error", err)
		}
		return failure{first: reconnectPause}
	}
	return h.told(fmt.Sprintf("The call of discover failed, and is tried again: %s.", cause(err)))
}

// refused judges an answer that cannot be served.
func (h *handshake) refused(problems []Problem) failure {
	var text strings.Builder
	fmt.Fprintf(&text, "The proxy cannot serve this user function. Problems found: %d.", len(problems))
	for _, p := range problems {
		text.WriteString("\n- ")
		text.WriteString(p.String())
	}
	return h.told(text.String())
}

// told logs a text that the user function has not been told since it is connected, and has it reported.
func (h *handshake) told(text string) failure {
	f := failure{first: h.cfg.BackoffMin}
	if text != h.reported {
		h.reported = text
		f.report = text
		h.log.Error("the user function cannot be served; it is asked again until it can", "problem", text)
	}
	return f
}

// pause reports the failure and waits for the back-off to pass. It returns false when ctx ended.
func (h *handshake) pause(ctx context.Context, f failure) bool {
	length := h.backoff.next(f.first)
	end := time.Now().Add(length)
	timer := time.NewTimer(length)
	defer timer.Stop()
	if f.report != "" {
		h.report(ctx, f.report)
	}
	for {
		select {
		case <-ctx.Done():
			return false
		case <-timer.C:
			return true
		case <-h.uf.Disconnected():
			// Whoever answers next is another one: it has heard nothing yet, and need not wait for what its predecessor did.
			h.reported = ""
			h.backoff.reset()
			if time.Until(end) > reconnectPause {
				timer.Reset(reconnectPause)
				end = time.Now().Add(reconnectPause)
			}
		}
	}
}

// report tells the user function. That it cannot be told changes nothing (DISC-58).
func (h *handshake) report(ctx context.Context, text string) {
	ctx, cancel := context.WithTimeout(ctx, h.cfg.ReportTimeout)
	defer cancel()
	if err := h.uf.ReportError(ctx, text); err != nil {
		h.log.Warn("the user function did not take the report of its problems", "error", err)
	}
}

// accept serves an answer that was found good.
func (h *handshake) accept(f *Function) {
	if h.current != nil && h.current.Digest == f.Digest {
		h.log.Info("the user function serves what it served before")
		h.sink.Serve(h.current)
		return
	}
	h.current = f
	info := f.Info
	h.log.Info("user function discovered",
		"service", info.GetServiceName(), "version", info.GetServiceVersion(), "runtime", info.GetServiceRuntime(),
		"library", info.GetSupportLibraryName(), "library_version", info.GetSupportLibraryVersion(),
		"protocol", fmt.Sprintf("%d.%d", info.GetProtocolMajorVersion(), info.GetProtocolMinorVersion()))
	for _, s := range f.Services {
		h.log.Info("serving", "service", s.Name, "kind", s.Kind.String(), "persistence_id", s.PersistenceID, "methods", len(s.Methods))
	}
	for _, warning := range f.Warnings {
		h.log.Warn("user function discovered, with a warning", "warning", warning)
	}
	h.sink.Serve(f)
}

// codeOf is the gRPC code of an error, also of a context's that nobody made a status of.
func codeOf(err error) codes.Code {
	if code := status.Code(err); code != codes.Unknown {
		return code
	}
	return status.FromContextError(err).Code()
}
