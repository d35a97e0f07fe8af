package sandbox

// A playbook is what a bot follows.
type playbook struct {
	Goals           []goal   `json:"goals"`
	ID              int64    `json:"id"`
	Name            string   `json:"name"`
	OrgID           int64    `json:"orgId"`
	Meta            struct{} `json:"meta"`
	CreatedAt       int64    `json:"createdAt"`
	UpdatedAt       int64    `json:"updatedAt"`
	CreatedAuthorID int64    `json:"createdAuthorId"`
	UpdatedAuthorID int64    `json:"updatedAuthorId"`
	InteractionID   int64    `json:"interactionId"`
	ReportType      string   `json:"reportType"`
}

// A goal is what a playbook is to achieve.
type goal struct {
	ID      string `json:"id"`
	Message string `json:"message"`
}

// A landingPage is a page that is nothing but a conversation.
type landingPage struct {
	PlaybookID     int64  `json:"playbookId"`
	PlaybookName   string `json:"playbookName"`
	LandingPageURL string `json:"landingPageUrl"`
}

// listPlaybooks answers those in use, without an envelope.
//
// GET /playbooks/list
func (s *Sandbox) listPlaybooks(*request) (answer, error) {
	return bare(s.org.playbooks)
}

// listLandingPages answers without an envelope.
//
// GET /playbooks/clp
func (s *Sandbox) listLandingPages(*request) (answer, error) {
	return bare(s.org.pages)
}
