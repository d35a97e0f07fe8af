package sandbox

// A speaker is who writes a line of a chat.
type speaker int

const (
	bot speaker = iota
	visitor
	agent
	colleague // another agent, called in
	note      // the agent, to other agents only
)

// A line is one message of a chat. Words after a $ differ from chat to chat; see seeder.words.
type line struct {
	who  speaker
	text string
	file string // attached, if not empty; text may then be empty
}

// An opening is a question, and an answer after which the lines of a topic make sense.
type opening struct{ ask, answer string }

// A topic is a thing that visitors write about.
type topic struct {
	tag      tag
	path     string // of the page where the visitor is
	title    string // of the page
	button   string // in the bot's greeting
	team     int    // that answers, by its place in the list of teams
	openings []opening
	lines    []line
}

// greetings are the bot's first words.
var greetings = []string{
	"Hi there! I'm $bot. What brings you to Northlight today?",
	"Welcome! I'm $bot, and I can find the right person for you. What is it about?",
	"Hello! Have a question about this page? Pick one below or just type.",
}

// handovers are the bot's words when it calls an agent.
var handovers = []string{
	"Thanks! Let me get $agent for you, one moment.",
	"Got it. $agent from our team will be right with you.",
	"That is one for $agent. Usually takes a minute or two.",
}

// away are the bot's words when there is nobody to call.
const away = "Nobody is in right now. Leave your question here and we'll answer by mail in the morning."

// returns begin a new topic in a chat that has been going on.
var returns = []string{
	"Hi $agent, it's me again with something else.",
	"Morning $agent! One more thing came up.",
	"Hello again. Different topic this time:",
	"Hi $agent, sorry to reopen this chat, we have a new question.",
	"Back again :) Hope it's OK to keep using this thread.",
}

// lateAnswers are an agent's words to somebody who has waited.
var lateAnswers = []string{
	"Hi $visitor, sorry for the wait! I've read what you wrote. Is there anything to add before I look into it?",
	"Hello${comma}, $agent here. Sorry that this took a while. Are you still there?",
	"Thanks for your patience${comma}! I have time for you now.",
}

// thanks and byes end a chat.
var (
	thanks = []string{
		"Perfect, that's all I needed. Thanks $agent!",
		"Great, thanks for the quick help.",
		"That's it from my side. Have a good day!",
		"Super, I'll pass that on to my colleagues. Thank you!",
		"OK, all clear now. Cheers!",
		"Wonderful, thank you $agent.",
	}
	byes = []string{
		"Happy to help${comma}! Have a great rest of your day!",
		"Any time! This thread stays open if something else comes up.",
		"You're welcome${comma}. Take care!",
		"Glad to hear it. I'll close this one, just write here to reopen it.",
	}
)

// unanswered is what somebody writes when nobody is there.
var unanswered = [][]string{
	{"Hello, is anybody there?", "I wanted to ask whether you have an office in $city.", "OK, I'll send an email instead."},
	{"Hi, quick question about the $plan plan", "Does the price change when we go above $seats users?", "Never mind, I'll try again tomorrow."},
	{"Is there a person behind this chat?", "Our $crm sync has been red since this morning.", "I'll check the status page in the meantime."},
}

// outreach is a bulk email that nobody has answered.
var outreach = []string{
	"Hi $visitor, you looked at our $plan plan last week. Would 20 minutes on $day at $time help to see if it fits?",
	"Hi $visitor, just floating this to the top of your inbox. Here is the two-page summary in the meantime.",
	"Last note from me: if planning for $seats people is not a topic right now, tell me and I'll stop here. Otherwise my calendar is open.",
}

// topics are what people write about.
var topics = []topic{
	{
		tag{"0A7F5C", "pricing"}, "/pricing", "Pricing", "Pricing", 0,
		[]opening{
			{"Hi, what would Northlight cost for $seats people? The page only shows up to 50.", "Hi $visitor, $agent here. For $seats seats the $plan plan comes to $price EUR a month when billed yearly."},
			{"Is there a discount if we pay for the year? We'd be about $seats users.", "Hi $visitor! Yes: billed yearly, $seats seats on the $plan plan come to $price EUR a month."},
			{"We're on a spreadsheet today. What's the price of the $plan plan for $seats seats?", "Welcome! That would be $price EUR a month, billed yearly."},
		},
		[]line{
			{visitor, "And billed monthly?", ""},
			{agent, "Then it is 20% more, but you can leave with 30 days' notice.", ""},
			{note, "CRM says $company talked to us in spring and went quiet over budget. Keep it light.", ""},
			{visitor, "Are viewers counted as seats too?", ""},
			{agent, "No, only people who edit plans. Viewers are free on every plan.", ""},
			{visitor, "Nice, that changes the maths quite a bit. Do you have something I can show my boss?", ""},
			{agent, "Sure, here is the rate card with both ways of billing.", "rate-card.pdf"},
			{visitor, "Got it. Who do I talk to for a quote?", ""},
			{agent, "Me! If you send me the billing address I'll have it with you by $day.", ""},
		},
	},
	{
		tag{"2E6FD8", "demo"}, "/demo", "Book a demo", "Book a demo", 0,
		[]opening{
			{"I'd like to see the product with my team. When can we do that?", "Hi $visitor! Happy to show you around. Would $day at $time suit you?"},
			{"Can somebody walk us through the planning board? We are a team of $seats.", "Gladly! How about $day at $time?"},
			{"Hi! Do you do live demos or only the recorded one?", "Hi $visitor, live ones too, and they are more fun. I have a slot on $day at $time?"},
		},
		[]line{
			{visitor, "$day works. Can two colleagues from finance join?", ""},
			{agent, "Of course, just forward the invitation to them. Anything you want to see in particular?", ""},
			{visitor, "Mostly how plans connect to $crm, and what the weekly report looks like.", ""},
			{note, "Demo booked for $day $time. Wants $crm sync and weekly report. Bring the freight example.", ""},
			{agent, "Then I'll prepare exactly these two. You'll get a calendar invite with the call link in a minute.", ""},
			{visitor, "It arrived. How long should we plan for?", ""},
			{agent, "30 minutes, and 15 more if the finance people have many questions.", ""},
		},
	},
	{
		tag{"7A4FD0", "integration"}, "/integrations", "Integrations", "Integrations", 1,
		[]opening{
			{"Does the $crm integration sync both ways? We only got half of our projects.", "Hi $visitor, it does, every five minutes. How many records do you see on our side?"},
			{"We connected $crm yesterday but only half of our projects showed up.", "Hello! Let's find the other half. How many records came over so far?"},
			{"Some of our $crm records are missing after the first sync. Is that normal?", "Hi $visitor, not normal, no. How many are there, and how many did you expect?"},
		},
		[]line{
			{visitor, "$seats are there, we expected about twice as many.", ""},
			{agent, "Could you check in Settings → Integrations whether archived records are ticked? They are skipped by default.", ""},
			{visitor, "Hm, it was off. Turned it on and started a sync.", ""},
			{note, "Same thing as ticket $ticket. The default for archived records really needs a hint in the UI.", ""},
			{agent, "Great, the first full run takes around $minutes minutes. You can follow it on the sync log page.", ""},
			{visitor, "Here is what the log shows so far, is that warning a problem?", "sync-log.png"},
			{agent, "No, that one only says two records have no owner in $crm. They come over without an owner.", ""},
			{visitor, "All there now. The field mapping we can do ourselves I guess?", ""},
			{agent, "Yes, same page, tab \"Fields\". Changes apply from the next run.", ""},
		},
	},
	{
		tag{"C04848", "outage"}, "/status", "System status", "Something is broken", 1,
		[]opening{
			{"Is Northlight down? All boards are empty for us since $time.", "Hi $visitor, sorry about that. We see raised errors in the EU region since $time and are on it."},
			{"We get error $error on every page. Is it you or us?", "It's us, sorry. We have had raised errors in the EU region since $time and are on it."},
			{"Nobody here can log in any more, just a spinner. Help!", "Hi $visitor, that's on our side. The EU region has had errors since $time, and engineering is on it."},
		},
		[]line{
			{visitor, "Any estimate? We have a planning meeting in $minutes minutes.", ""},
			{note, "Incident $ticket. Database failover in eu-1, boards read from the standby until it catches up.", ""},
			{agent, "The failover is running, I expect boards to be back within $minutes minutes. I'll stay here and tell you.", ""},
			{visitor, "OK, thanks for being straight about it.", ""},
			{colleague, "$colleague from engineering here: boards are reading again, writing follows in a few minutes.", ""},
			{visitor, "Confirmed, I can see our data. Did we lose anything?", ""},
			{colleague, "No. Changes made during the incident were queued and are being applied now.", ""},
			{visitor, "Everything back to normal here.", ""},
			{agent, "Good to hear. The report on what happened goes to all admins by $day.", ""},
		},
	},
	{
		tag{"B8860B", "billing"}, "/settings/billing", "Billing", "Billing", 1,
		[]opening{
			{"Invoice $invoice shows $seats seats but we removed some of them last month.", "Hi $visitor, let me look at $invoice. When did you remove them?"},
			{"Why did $invoice go up? We have fewer people than before.", "Hi $visitor, I have $invoice in front of me. When did the people leave?"},
			{"I think $invoice is wrong, we reduced our seats.", "Let me check $invoice. Do you remember the day you reduced them?"},
		},
		[]line{
			{visitor, "In the last week of the month, $minutes seats in one go.", ""},
			{note, "$company: seats changed one day after the billing date of $invoice. Credit is fine, within my limit.", ""},
			{agent, "I see what happened: the change came one day after the billing date. I'll credit the difference to the next invoice.", ""},
			{visitor, "Can we get the money back instead? Our bookkeeping hates credits.", ""},
			{agent, "Sure, then it goes back to your card, usually within five working days.", ""},
			{visitor, "Great. And could future invoices go to our finance address as well?", ""},
			{agent, "Done, they go to both addresses from now on. This is the corrected one:", "invoice-$invoice.pdf"},
			{visitor, "Received, looks right.", ""},
			{agent, "Then this is settled. Sorry for the extra work on your side.", ""},
		},
	},
	{
		tag{"3D8B8B", "sso"}, "/docs/sso", "Single sign-on", "Single sign-on", 1,
		[]opening{
			{"We want to use $idp to log in. Which plan do we need for that?", "Hello $visitor! Single sign-on is part of Business and Enterprise, and $idp is well tested."},
			{"How do we set up $idp as our login?", "Hi $visitor, that takes about ten minutes with $idp, if you are on Business or Enterprise."},
			{"How do we switch $seats users to single sign-on without locking everybody out?", "Hi $visitor, step by step: first $idp or whatever you use, on a Business plan, with one test user."},
		},
		[]line{
			{visitor, "We have Business. Which values does our identity team need from you?", ""},
			{agent, "The entity id and the ACS URL. Both are under Settings → Security, once the domain is verified.", ""},
			{visitor, "Domain is verified. The login now says \"audience mismatch\" though.", ""},
			{agent, "Then the audience in $idp still has a slash at the end. Ours has none.", ""},
			{visitor, "Wow, it was really just the slash.", ""},
			{agent, "It always is :) Now try it with one test user before you enforce it for all.", ""},
			{note, "Offered them a call for the switch-over, $seats users on $day.", ""},
			{visitor, "Test user is in. What happens to the old passwords?", ""},
			{agent, "They stop working when you enforce it. Owners keep theirs as a way back in.", ""},
			{visitor, "That's a relief. We'll enforce it on $day.", ""},
			{agent, "I'll be around that day, just in case.", ""},
		},
	},
	{
		tag{"5C8A3A", "onboarding"}, "/docs/getting-started", "Getting started", "Getting started", 2,
		[]opening{
			{"We just signed up. Where do we start with $seats people?", "Welcome aboard${comma}! I'm $agent and I look after new teams. Do your plans live in a spreadsheet today?"},
			{"Is there a template for weekly capacity planning?", "There is${comma}, and it can start from what you have. Do you plan in a spreadsheet today?"},
			{"Can you import our old plans?", "Most of the time, yes. Are they in a spreadsheet?"},
		},
		[]line{
			{visitor, "Yes, one sheet per team. About $minutes of them, all slightly different of course.", ""},
			{agent, "That's what they all say. Could you send me one, so I can see the columns?", ""},
			{visitor, "", "capacity-plan.csv"},
			{agent, "Thanks. Columns A to F import as they are. For the colours we use tags, I'll show you.", ""},
			{visitor, "And the holidays? They're on a separate tab.", ""},
			{agent, "Holidays come from your calendar, so you can drop that tab for good.", ""},
			{visitor, "My team leads will be delighted. Can we do a short kick-off with them?", ""},
			{agent, "Gladly: $day at $time? I'll bring an example with your own sheet.", ""},
			{visitor, "Yes, that works.", ""},
			{note, "Kick-off on $day. Several team leads, one skeptic (their words). Use the import wizard, not the API.", ""},
			{agent, "It's in the calendar. Bring the sheet with the most exceptions.", ""},
		},
	},
	{
		tag{"8C5A2B", "export"}, "/docs/export", "Exporting data", "My data", 1,
		[]opening{
			{"Can we export everything as CSV once a night?", "Hi $visitor, yes: scheduled exports have no limit on rows, unlike those in the browser."},
			{"The export of last quarter stops at 10,000 rows. Is that a limit?", "Hi $visitor, in the browser it is. Scheduled exports have no limit."},
			{"How do I get all of our plans out for an audit?", "With a scheduled export, that one has no limit on rows."},
		},
		[]line{
			{visitor, "Where do I schedule one?", ""},
			{agent, "Reports → Export → Schedule. You can send the file to a bucket of yours or by mail.", ""},
			{visitor, "Does it contain comments too? The auditors asked for them.", ""},
			{agent, "Yes, if you tick \"Include discussion\". Here is a small sample of the format.", "export-sample.csv"},
			{visitor, "That's exactly what they want. First run is set for tonight.", ""},
			{agent, "I'll look at it tomorrow morning and tell you if anything was skipped.", ""},
			{note, "Check export of $company in the morning, ticket $ticket.", ""},
			{visitor, "Thanks. What would be skipped?", ""},
			{agent, "Only boards that nobody in the export's team can see. There are none in your workspace.", ""},
		},
	},
	{
		tag{"4458A8", "api"}, "/docs/api", "API reference", "API", 1,
		[]opening{
			{"What's the rate limit of your API? We got a 429 today.", "Hi $visitor, it's 120 calls a minute for each token. What are you building?"},
			{"How often may we poll the plans endpoint?", "As often as 120 calls a minute allow. What is it for, if I may ask?"},
			{"Our nightly job runs into 429 after a while. Can you raise the limit?", "Hi $visitor, maybe we can do better than that. What does the job do?"},
		},
		[]line{
			{visitor, "It copies plans into our data warehouse every $minutes minutes.", ""},
			{agent, "Then webhooks will save you most of the calls: you get one message for each change.", ""},
			{visitor, "Are they signed? Our security people will ask.", ""},
			{agent, "Yes, HMAC with a secret per endpoint, and the timestamp is part of it.", ""},
			{visitor, "And if our endpoint is down for an hour?", ""},
			{agent, "We retry for a day with growing pauses. After that you can replay them from the log.", ""},
			{note, "Developer at $company, very clear questions. Might be a good reference for the API page.", ""},
			{visitor, "Perfect. I'll rewrite the job on $day.", ""},
			{agent, "Tell me if the payloads lack anything, the team reads this feedback.", ""},
		},
	},
	{
		tag{"6B6B6B", "privacy"}, "/legal/privacy", "Privacy", "Privacy and security", 2,
		[]opening{
			{"Where is our data stored? We may only use services in the EU.", "Hello $visitor, data of EU customers stays in Frankfurt, backups in Dublin."},
			{"Does our data ever leave the EU?", "No. It is stored in Frankfurt, with backups in Dublin."},
			{"Our data protection officer wants to know where plans are stored.", "Hi $visitor! In Frankfurt, and the backups in Dublin."},
		},
		[]line{
			{visitor, "And support staff, can they see our plans?", ""},
			{agent, "Only after you allow it, for 24 hours, and each access is in your audit log.", ""},
			{visitor, "Good. Please send the DPA, our lawyers want to read it before $day.", ""},
			{agent, "Here it is, with the list of subprocessors as annex 3.", "data-processing-agreement.pdf"},
			{note, "Legal review at $company until $day. No marketing mails until they have signed.", ""},
			{visitor, "One question from legal: how soon do you report a breach?", ""},
			{agent, "Within 48 hours after we learn of it. It's in section 7.", ""},
			{visitor, "That's fine for them. They'll sign and send it back.", ""},
			{agent, "I'll countersign the same day.", ""},
		},
	},
	{
		tag{"D2691E", "trial"}, "/trial", "Free trial", "My trial", 0,
		[]opening{
			{"Our trial ends on $day and we've only just got started. Can we have more time?", "Hi $visitor! Two more weeks are no problem. What is left to try out?"},
			{"Could you extend our trial a bit?", "Sure, I can add two weeks. What would you still like to see?"},
			{"We lost a week of the trial to holidays. Any chance to get it back?", "Of course, I'll make it two weeks. What is still on your list?"},
		},
		[]line{
			{visitor, "Mostly the reports, and whether our $seats people will actually use it.", ""},
			{agent, "For the second part: teams that put their weekly meeting on the board stay. Shall I set up that template?", ""},
			{visitor, "Yes please, for the operations team.", ""},
			{note, "Trial of $company extended by 14 days. Template weekly-ops added. Call on $day.", ""},
			{agent, "Done, it's called \"Weekly operations\".", ""},
			{visitor, "And what happens to our boards if we don't buy?", ""},
			{agent, "Nothing is deleted when a trial ends, boards only become read-only. And you can export all of it at any time.", ""},
			{visitor, "Good to know. That was the worry of my boss.", ""},
			{agent, "Then tell your boss hello from me :)", ""},
		},
	},
	{
		tag{"A04878", "seats"}, "/settings/members", "Members", "Members", 2,
		[]opening{
			{"How do I move a seat from one person to another?", "Hi $visitor, a seat is free again as soon as you deactivate somebody. Their work stays."},
			{"One of our people left. Do we keep paying for the seat?", "Hi $visitor, no: deactivate the person and the seat is free. Their plans stay."},
			{"We have no seats left but some are not used. What can we do?", "Hello! Deactivate those who don't need theirs, and the seats are free. Their work stays."},
		},
		[]line{
			{visitor, "And it can be given to someone else on the same day?", ""},
			{agent, "At once. Only the invoice looks at the highest number in the month.", ""},
			{visitor, "I see. We also have freelancers who would only look at plans, not change them.", ""},
			{agent, "Then invite them as viewers, which costs nothing on the $plan plan.", ""},
			{visitor, "Can a viewer leave comments?", ""},
			{agent, "Yes, comments and reactions, but no edits.", ""},
			{note, "$company heading for $seats seats this year, tell the account owner.", ""},
			{visitor, "Then that's settled. I'll invite them now.", ""},
			{agent, "The invitation is valid for a week, and you can send it again from the same page.", ""},
		},
	},
	{
		tag{"2F4F4F", "mobile"}, "/mobile", "Mobile app", "Mobile app", 1,
		[]opening{
			{"The mobile app logs me out every morning. Is that on purpose?", "Hi $visitor, that should not happen. Which version does Settings → About show?"},
			{"I don't get any notifications on my phone since the update.", "Hi $visitor, let's see. Which version is it? It's under Settings → About."},
			{"The app forgets everything when I lock my phone.", "That sounds familiar. Could you tell me the version from Settings → About?"},
		},
		[]line{
			{visitor, "4.$minutes.1, updated last week.", ""},
			{agent, "Thanks. There is a bug in that one when the phone restricts work in the background.", ""},
			{visitor, "This is my settings screen, is it this switch?", "phone-settings.png"},
			{agent, "Exactly that one. Please set it to \"Unrestricted\" and open the app once.", ""},
			{note, "Same as $ticket, fixed in the next build. Linked this chat.", ""},
			{visitor, "That did it. Does it cost a lot of battery?", ""},
			{agent, "Hardly any. And the next version, due on $day, won't need the switch any more.", ""},
		},
	},
	{
		tag{"9A6324", "reports"}, "/docs/reports", "Reports", "Reports", 1,
		[]opening{
			{"The weekly report counts Friday twice for us. Bug?", "Hello $visitor, maybe not. Which time zone is set for the workspace? It decides where a day ends."},
			{"Numbers in the dashboard and in the PDF differ by a few hours. Which one is right?", "Both, in a way :) Which time zone does your workspace have?"},
			{"Our report puts Friday's late shift on Saturday. Can we change that?", "Yes! That is the time zone of the workspace. Which one is set?"},
		},
		[]line{
			{visitor, "It says UTC. We're in $city.", ""},
			{agent, "That explains it: late work on Friday falls on Saturday in one of the two views.", ""},
			{visitor, "Can we change it without breaking the older reports?", ""},
			{agent, "Yes, old ones keep their numbers. Only new ones use the new zone.", ""},
			{visitor, "Changed it. Here's the new one next to the old.", "report-compare.png"},
			{agent, "Looks right, both now end on Sunday at midnight in $city.", ""},
			{note, "Third time this month that the UTC default bites. Feedback sent to product, $ticket.", ""},
			{visitor, "The management thanks you. So do I.", ""},
			{agent, "My regards to the management!", ""},
		},
	},
	{
		tag{"556B2F", "renewal"}, "/settings/plan", "Plan", "Our contract", 2,
		[]opening{
			{"Our contract renews next month. Can we go from $plan to a smaller plan?", "Hi $visitor, thanks for writing in good time. May I ask what is behind it?"},
			{"We might not renew. What would a smaller plan cost?", "Hi $visitor, thanks for being open about it. What is the reason, if I may ask?"},
			{"Could we pay less from the renewal on?", "Let's see what fits, $visitor. What has changed on your side?"},
		},
		[]line{
			{visitor, "Budget. We use the boards daily, but the forecasts hardly at all.", ""},
			{note, "$company uses forecasts in 2 of 9 teams. Team plan would do. Save rather than squeeze.", ""},
			{agent, "Then Team is the better fit: boards and reports stay, forecasts go, and it's $price EUR a month for $seats seats.", ""},
			{visitor, "That would fit. Do we lose the old forecasts?", ""},
			{agent, "They stay readable for a year, and you can export them.", ""},
			{visitor, "Let me check with finance, they are next door.", ""},
			{visitor, "Finance says yes. Please switch us from the renewal date.", ""},
			{agent, "Done, you'll get the new order form by mail today.", ""},
		},
	},
	{
		tag{"708090", "partner"}, "/partners", "Partners", "Partnership", 0,
		[]opening{
			{"We're a consultancy in $city and would like to become a partner.", "Great to hear${comma}! There are two tracks, referral and implementation. Which sounds like you?"},
			{"Do you have a partner programme?", "We have two, one for referrals and one for implementation. Which one do you have in mind?"},
			{"Three of our clients use Northlight. Can we become a partner?", "With pleasure! As a referral partner, or do you set it up for them as well?"},
		},
		[]line{
			{visitor, "Implementation. We set up planning for logistics companies.", ""},
			{agent, "Then you'd get a test workspace, training for two people and a share of the first year.", ""},
			{visitor, "How large is the share?", ""},
			{agent, "15%, and 20% from the fifth customer on. It's all in here:", "partner-guide.pdf"},
			{note, "Looks serious: $seats consultants, logistics. Passing on to partnerships.", ""},
			{visitor, "I'll read it tonight. Who would be our contact?", ""},
			{agent, "My colleague $colleague. I'll introduce you by mail, call on $day at $time?", ""},
			{visitor, "$time works for us.", ""},
			{agent, "Then you'll hear from $colleague today.", ""},
		},
	},
	{
		tag{"20808D", "permissions"}, "/docs/roles", "Roles and permissions", "Roles", 1,
		[]opening{
			{"How can I hide one board from everyone but the management?", "Hi $visitor, boards have their own members: Share → Restricted, and then add the people."},
			{"Can I make a board that only three people see?", "You can: Share → Restricted on the board, and then add the three."},
			{"Our board on salaries should not be visible to all. Which setting is that?", "Hi $visitor! It's Share → Restricted, and then only those you add can open it."},
		},
		[]line{
			{visitor, "Admins still see it then?", ""},
			{agent, "They can see that it exists, and its name, but not open it.", ""},
			{visitor, "Hm, the name alone gives it away: \"Reorganisation\"...", ""},
			{agent, "Ha, then \"Project Teapot\" it is. Private workspaces hide names as well, they are part of Enterprise.", ""},
			{visitor, "Teapot will do. And where do I see who changed what?", ""},
			{agent, "The clock icon on the top right of each board. It goes back 90 days on the $plan plan.", ""},
			{visitor, "Found it, and found the person. It was me.", ""},
			{note, "Nice customer. No follow-up needed.", ""},
			{agent, "Happens to the best of us. You can undo it from the same list.", ""},
		},
	},
	{
		tag{"8B4789", "training"}, "/academy", "Academy", "Training", 2,
		[]opening{
			{"Do you offer training for $seats people?", "Hello $visitor! We do live sessions of 90 minutes, up to 25 people each. Shall I book some?"},
			{"Our new colleagues need an introduction. What do you recommend?", "A live session: 90 minutes, up to 25 people, with your own data. Would that suit you?"},
			{"Can someone train our team leads before $day?", "Yes, we have sessions of 90 minutes for up to 25 people. Are you all in one place?"},
		},
		[]line{
			{visitor, "Sounds good. Do you have them in German as well?", ""},
			{agent, "English, German and Spanish. $colleague does the German ones.", ""},
			{visitor, "What do we have to prepare?", ""},
			{agent, "A workspace with your real data and one person with admin rights. Here's the agenda.", "training-agenda.pdf"},
			{visitor, "Can we record it for those who are away?", ""},
			{agent, "Yes, and everyone gets access to the course for later.", ""},
			{note, "Training for $company, first session $day $time. Waiting for the number of groups.", ""},
			{visitor, "Then please book $day for the first group.", ""},
			{agent, "It's in the calendar. You get the link one day before.", ""},
		},
	},
}
