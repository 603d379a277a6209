package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"go.uber.org/zap/zapcore"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"
)

// TestEveryLine: a flood of lines is written whole, each as JSON, down to the level that was asked
// for.
func TestEveryLine(t *testing.T) {
	const lines = 2000
	var out bytes.Buffer
	log := newLogger(&zap.Options{DestWriter: &out, Level: zapcore.InfoLevel})
	for i := range lines {
		log.WithValues("id", i).Info("request")
		log.V(1).Info("not asked for")
	}
	got := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(got) != lines {
		t.Fatalf("%d lines of %d were written", len(got), lines)
	}
	var last struct {
		Level, TS, Msg string
		ID             int
	}
	if err := json.Unmarshal([]byte(got[lines-1]), &last); err != nil || last.Level != "info" || last.TS == "" || last.Msg != "request" || last.ID != lines-1 {
		t.Errorf("%s: %+v, %v", got[lines-1], last, err)
	}
}

// TestStacks: errors have a stack where it was asked for.
func TestStacks(t *testing.T) {
	for name, tt := range map[string]struct {
		options zap.Options
		want    bool
	}{
		"by default":  {zap.Options{}, false},
		"asked for":   {zap.Options{StacktraceLevel: zapcore.ErrorLevel}, true},
		"development": {zap.Options{Development: true}, true},
	} {
		var out bytes.Buffer
		tt.options.DestWriter = &out
		newLogger(&tt.options).Error(errors.New("broken"), "request")
		if has := strings.Contains(out.String(), "TestStacks"); has != tt.want || !strings.Contains(out.String(), "broken") {
			t.Errorf("%s: %s", name, out.String())
		}
	}
}
