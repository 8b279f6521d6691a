package demo

import (
	"io"
	"os"
)

// Screen is where progress and the live view are shown.
type Screen struct {
	Out io.Writer
	// Terminal says that lines can be drawn over.
	Terminal bool
	// Color allows colours.
	Color bool
	// Width returns the columns of the terminal. Nil: 80.
	Width func() int
}

// NewScreen returns the screen that out is, which is a terminal or not. env looks
// an environment variable up, as os.LookupEnv: NO_COLOR and TERM=dumb are
// honoured.
func NewScreen(out io.Writer, env func(string) (string, bool)) Screen {
	s := Screen{Out: out}
	f, ok := out.(*os.File)
	if !ok {
		return s
	}
	if _, ok := terminalWidth(f); !ok {
		return s
	}
	term, _ := env("TERM")
	noColor, _ := env("NO_COLOR")
	s.Terminal = term != "dumb"
	s.Color = s.Terminal && noColor == ""
	s.Width = func() int {
		width, _ := terminalWidth(f)
		return width
	}
	return s
}

// fallbackWidth is taken where a terminal does not know its width.
const fallbackWidth = 80

func (s Screen) width() int {
	if s.Width != nil {
		if width := s.Width(); width > 0 {
			return width
		}
	}
	return fallbackWidth
}
