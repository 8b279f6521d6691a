package setup

import "fmt"

// firstWithMessages is the version from which on the server sends logical
// messages, as server_version_num.
const firstWithMessages = 140000

// examineSuppression looks who could hide changes where messages may suppress
// them.
func (x *examiner) examineSuppression() {
	const subject = "server"
	s := &x.catalog.server
	switch {
	case !x.cfg.AllowSuppress:
	case s.version < firstWithMessages:
		x.add(Info, subject, fmt.Sprintf("allow_suppress is set, but PostgreSQL %d does not send messages: nothing is suppressed", s.version/10000))
	case len(s.emitters) > 0:
		remedy := Remedy{Text: "as a superuser, let only those roles emit messages that you trust with it, and GRANT EXECUTE on the same functions to them"}
		for _, function := range s.emitters {
			remedy.SQL = append(remedy.SQL, "REVOKE EXECUTE ON FUNCTION "+function+" FROM PUBLIC")
		}
		x.add(Warn, subject, "allow_suppress is set, and every role may emit messages: any of them can hide changes of its transactions",
			remedy, Remedy{Text: "set allow_suppress: false"})
	}
}
