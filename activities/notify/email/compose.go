// SPDX-License-Identifier: Apache-2.0

package email

import (
	"bytes"
	"fmt"
	"mime"
	"mime/quotedprintable"
	"strings"
	"time"

	"github.com/slipwayhq/slipway/activities"
	"github.com/slipwayhq/slipway/activities/notify/outbound"
)

// compose writes a mail as RFC 5322 wants it.
func (n *Notifier) compose(m activities.Message) []byte {
	var to []string
	for _, a := range n.to {
		to = append(to, a.String())
	}
	thread := n.id(m.Release)
	var b bytes.Buffer
	for _, h := range [][2]string{
		{"From", n.from.String()},
		{"To", strings.Join(to, ", ")},
		{"Subject", mime.QEncoding.Encode("utf-8", m.Title())},
		{"Date", m.At.UTC().Format(time.RFC1123Z)},
		{"Message-ID", n.id(m.Key)},
		{"In-Reply-To", thread},
		{"References", thread},
		{"Auto-Submitted", "auto-generated"},
		{"MIME-Version", "1.0"},
		{"Content-Type", `text/plain; charset="utf-8"`},
		{"Content-Transfer-Encoding", "quoted-printable"},
	} {
		fmt.Fprintf(&b, "%s: %s\r\n", h[0], h[1])
	}
	b.WriteString("\r\n")
	w := quotedprintable.NewWriter(&b)
	_, _ = w.Write([]byte(strings.ReplaceAll(text(m), "\n", "\r\n")))
	_ = w.Close() // a buffer takes everything
	return b.Bytes()
}

// id is a name of RFC 5322: keys are made of letters, digits, '-' and '/', which may all stand in one.
func (n *Notifier) id(key string) string {
	_, domain, _ := strings.Cut(n.from.Address, "@")
	return "<" + key + "@slipway." + domain + ">"
}

func text(m activities.Message) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n\n%s\n\n", m.Title(), m.Text)
	for _, f := range outbound.Facts(m) {
		fmt.Fprintf(&b, "%s: %s\n", f.Name, f.Value)
	}
	for _, link := range []string{m.Link, m.Source.URL} {
		if link != "" {
			fmt.Fprintf(&b, "%s\n", link)
		}
	}
	return b.String()
}
