package ui

import (
	"bufio"
	"io"
)

// Prompt prints another link by show for each line that in has, until in ends or the server is
// closed. It returns at once.
func (s *Server) Prompt(in io.Reader, show func(link string)) {
	ignoreBackground()
	go func() {
		for lines := bufio.NewScanner(in); lines.Scan(); {
			select {
			case <-s.closed:
				return
			default:
				show(s.Link())
			}
		}
	}()
}
