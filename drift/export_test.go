package drift

import "time"

// SetClock makes a read the time from now.
func (a *OAuth) SetClock(now func() time.Time) { a.now = now }

// CursorPage is what a page of the older paging of conversations begins with.
const CursorPage = cursorPage
