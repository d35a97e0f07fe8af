package sandbox

import "slices"

// readPerson reads whom a request under the GDPR is about.
func (r *request) readPerson() (email string, err error) {
	var in struct {
		Email string `json:"email"`
	}
	if err := r.decode(&in); err != nil {
		return "", err
	}
	if in.Email == "" {
		return "", invalid("email is missing")
	}
	return in.Email, nil
}

// retrievePerson says that an export is on its way to the organisation's first admin. Nothing is sent.
//
// POST /gdpr/retrieve
func (s *Sandbox) retrievePerson(r *request) (answer, error) {
	if _, err := r.readPerson(); err != nil {
		return answer{}, err
	}
	var out struct {
		Message     string `json:"message"`
		SentToEmail string `json:"sentToEmail"`
	}
	out.Message = "Export queued; the result will be mailed to the requesting admin"
	if i := slices.IndexFunc(s.org.users, func(u *user) bool { return u.Role == "admin" }); i >= 0 {
		out.SentToEmail = s.org.users[i].Email
	}
	return data(out)
}

// deletePerson forgets all contacts with an email. Drift does that later, the sandbox before it answers. Conversations stay,
// and point at contacts that are no more.
//
// POST /gdpr/delete
func (s *Sandbox) deletePerson(r *request) (answer, error) {
	email, err := r.readPerson()
	if err != nil {
		return answer{}, err
	}
	for id, c := range s.org.contacts {
		if c.text("email") == email {
			s.org.unindex(c)
			delete(s.org.contacts, id)
		}
	}
	s.emitForgotten(email)
	return data(struct {
		Message string `json:"message"`
	}{"Deletion queued"})
}
