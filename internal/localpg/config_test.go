package localpg_test

import (
	"strings"
	"testing"

	"changefeed/internal/localpg"
)

func TestConfigReportsEveryProblem(t *testing.T) {
	err := localpg.Config{Settings: map[string]string{
		"port":                    "5432",
		"unix_socket_directories": "/tmp",
		"Work_Mem":                "4MB",
		"x = 1 #":                 "",
		"application_name":        "two\nlines",
		"work_mem":                "4MB",
	}}.Validate()
	if err == nil {
		t.Fatal("no problem found")
	}
	if n := strings.Count(err.Error(), "\n") + 1; n != 5 {
		t.Errorf("%d problems, want 5: %v", n, err)
	}
	if strings.Contains(err.Error(), "work_mem") {
		t.Errorf("a good setting is refused: %v", err)
	}
}

func TestZeroConfigIsValid(t *testing.T) {
	if err := (localpg.Config{}).Validate(); err != nil {
		t.Error(err)
	}
}
