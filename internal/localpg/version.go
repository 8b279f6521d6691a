package localpg

import (
	"fmt"
	"regexp"
	"strconv"
)

// Version is a version of PostgreSQL, such as 17.11.
type Version struct{ Major, Minor int }

// oldest is the first version with column lists and row filters in publications,
// which the publisher uses.
const oldest = 15

// String returns the version as PostgreSQL writes it.
func (v Version) String() string { return fmt.Sprintf("%d.%d", v.Major, v.Minor) }

// versionOutput is what `postgres --version` prints, packager's notes and
// pre-release names left out.
var versionOutput = regexp.MustCompile(`\(PostgreSQL\) (\d{1,4})(?:\.(\d{1,4}))?`)

func parseVersion(output string) (Version, error) {
	m := versionOutput.FindStringSubmatch(output)
	if m == nil {
		return Version{}, fmt.Errorf("read version of PostgreSQL from %.100q", output)
	}
	major, _ := strconv.Atoi(m[1])
	minor, _ := strconv.Atoi(m[2]) // none before the first release: 0
	return Version{Major: major, Minor: minor}, nil
}
