package telemetry

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"strings"
	"testing"
)

func TestJSONRecordsAreObjects(t *testing.T) {
	var out bytes.Buffer
	NewLogger(&out, slog.LevelInfo, JSON).With("entity", "cart").Warn("refused", "reason", "two\nlines")
	var record map[string]any
	if err := json.Unmarshal(out.Bytes(), &record); err != nil {
		t.Fatal(err)
	}
	if record["msg"] != "refused" || record["entity"] != "cart" || record["reason"] != "two\nlines" || record["level"] != "WARN" {
		t.Errorf("record %v", record)
	}
}

func TestTextRecordsAreOneLine(t *testing.T) {
	var out bytes.Buffer
	NewLogger(&out, slog.LevelInfo, Text).Info("refused", "reason", "two\nlines")
	if got := out.String(); strings.Count(got, "\n") != 1 || !strings.Contains(got, `msg=refused reason="two\nlines"`) {
		t.Errorf("wrote %q", got)
	}
}

func TestLevelCanChange(t *testing.T) {
	var out bytes.Buffer
	var level slog.LevelVar
	logger := NewLogger(&out, &level, Text)
	logger.Debug("quiet")
	if out.Len() != 0 {
		t.Errorf("wrote %q below the level", out.String())
	}
	level.Set(slog.LevelDebug)
	logger.Debug("loud")
	if !strings.Contains(out.String(), "loud") {
		t.Errorf("wrote %q", out.String())
	}
}
