// SPDX-License-Identifier: Apache-2.0

package notify

import (
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/slipwayhq/slipway/activities"
)

// Book is the receivers of a file, which is read again when it has changed: a mounted Secret does that by itself.
type Book struct {
	file   string
	now    func() time.Time
	logger *slog.Logger

	mu    sync.Mutex
	known Receivers
	// stamp tells the file that was read last.
	stamp stamp
}

// stamp changes with a file.
type stamp struct {
	at   time.Time
	size int64
}

var _ activities.Receivers = (*Book)(nil)

// Open reads a file; an empty name is a book without anybody.
func Open(file string, now func() time.Time, logger *slog.Logger) (*Book, error) {
	b := &Book{file: file, now: now, logger: logger}
	if file == "" {
		return b, nil
	}
	var err error
	if b.stamp, err = b.look(); err != nil {
		return nil, fmt.Errorf("read receivers: %w; correct SLIPWAY_RECEIVERS", err)
	}
	if b.known, err = b.read(); err != nil {
		return nil, err
	}
	return b, nil
}

// Find implements activities.Receivers.
func (b *Book) Find(name string) (activities.Notifier, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.refresh()
	return b.known.Find(name)
}

// refresh reads the file if it has changed. One that cannot be used leaves those that were known, and is not read
// again before it changes once more.
func (b *Book) refresh() {
	if b.file == "" {
		return
	}
	now, err := b.look() // a file that is gone has the zero stamp
	if now == b.stamp {
		return
	}
	b.stamp = now
	if err == nil {
		var known Receivers
		if known, err = b.read(); err == nil {
			b.known = known
			b.logger.Info("receivers read again", "file", b.file, "receivers", len(known))
			return
		}
	}
	b.logger.Error("receivers kept as they were", "file", b.file, "error", err)
}

// look follows links: a mounted Secret is changed by turning one.
func (b *Book) look() (stamp, error) {
	i, err := os.Stat(b.file)
	if err != nil {
		return stamp{}, err
	}
	return stamp{i.ModTime(), i.Size()}, nil
}

func (b *Book) read() (Receivers, error) {
	f, err := os.Open(b.file)
	if err != nil {
		return nil, fmt.Errorf("read receivers: %w", err)
	}
	defer func() { _ = f.Close() }()
	known, err := Load(f, b.now)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", b.file, err)
	}
	return known, nil
}
