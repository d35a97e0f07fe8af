import{r as e}from"./rolldown-runtime-XKyaHtl9.js";import{a as t,c as n,d as r,f as i,h as a,i as o,l as s,m as c,n as l,o as u,p as d,r as f,s as p,t as m,u as h}from"./graphiql-DkY7Wc0j.js";import{n as g}from"./load-ChJaF11P.js";import{$ as _}from"./monaco-CP8_qhB8.js";var v=e(a(),1),y=t(),b=Object.assign({"../../testdata/readme/10-inbox.graphql":`# An inbox: 50 conversations with everything a screen shows of them.
query Inbox {
  conversations(first: 50) {
    nodes {
      status
      updatedAt
      contact {
        name
        email
        account {
          name
          owner { name }
        }
      }
      participants { name availability isBot }
      messages(first: 5) {
        nodes {
          body
          createdAt
          author {
            __typename
            ... on Contact { name }
            ... on User { name isBot }
          }
        }
      }
    }
    pageInfo { hasNextPage endCursor }
  }
}
`,"../../testdata/readme/20-agents.graphql":`# Who can take a conversation now, in which teams, with which accounts.
query Agents {
  users(availability: AVAILABLE, isBot: false, first: 10) {
    nodes {
      name
      role
      timeZone
      teams { name owner { name } }
      ownedAccounts(first: 3) {
        nodes { name domain targeted }
      }
    }
  }
}
`,"../../testdata/readme/30-accounts.graphql":`# The companies that sales is after, and who looks after them.
query TargetAccounts {
  accounts(targeted: true, first: 20) {
    nodes {
      name
      domain
      customProperties { label value }
      owner { name email availability }
    }
    pageInfo { hasNextPage endCursor }
  }
}
`,"../../testdata/readme/40-thread.graphql":`# The last messages of the latest open conversation, and all else with that contact.
query Thread {
  conversations(status: [OPEN], first: 1) {
    nodes {
      id
      driftUrl
      tags { name }
      relatedPlaybook { name goals { message } }
      messages(last: 10, types: [CHAT]) {
        nodes { body createdAt authorType buttons { label } }
        pageInfo { hasPreviousPage startCursor }
      }
      contact {
        name
        attributes(names: ["plan_tier", "employment_title"])
        conversations(first: 5) {
          nodes { id status createdAt }
        }
      }
    }
  }
}
`,"../../testdata/readme/50-report.graphql":`# How long conversations took to close, as figures.
query TimeToClose($metrics: [String!]! = ["timeToCloseMillis", "numAgentMessages"]) {
  conversationStats { open closed pending }
  conversationReport(
    input: {
      filters: [{ property: "status", operation: IN, values: ["closed"] }, { property: "relatedPlaybookId", operation: HAS_PROPERTY }]
      metrics: $metrics
    }
  ) {
    count
    rows {
      conversation { driftId }
      metrics { name value }
    }
  }
}
`,"../../testdata/readme/60-meetings.graphql":`# The meetings of the coming weeks: with whom, about what.
query Meetings {
  meetings {
    slotStart
    slotEnd
    status
    agent { name timeZone }
    scheduler { name email account { name } }
    conversation { status tags { name } }
  }
}
`}),x=Object.assign({}),S=Object.entries(b).sort(([e],[t])=>e<t?-1:1).map(([e,t])=>({name:/^(?:query|mutation|subscription)\s+(\w+)/m.exec(t)?.[1]??e.replace(/^.*\/|\.graphql$/g,``),about:/^#\s*(.*)/.exec(t)?.[1],query:t.trim(),variables:x[e.replace(/\.graphql$/,`.variables.json`)]?.trim()}));function C(){let[e]=S;e&&!g.getItem(`graphiql:tabState`)&&(g.setItem(`graphiql:query`,e.query),g.setItem(`graphiql:variables`,e.variables??``))}var w,T=new Set,E={latest:()=>w,subscribe(e){return T.add(e),()=>T.delete(e)},set(e){w=e,T.forEach(e=>e())}},D=async(e,t)=>{let{query:n,variables:r,operationName:i}=e,a=performance.now(),o=await fetch(`graphql`,{method:`POST`,headers:{"Content-Type":`application/json`,Accept:`application/graphql-response+json, application/json;q=0.9`,...t?.headers},body:JSON.stringify({query:n,variables:r,operationName:RegExp(`\\b(query|mutation|subscription)\\s+${i}\\b`).test(n)?i:void 0})}),s=await o.text();i!==`IntrospectionQuery`&&E.set({status:o.status,duration:performance.now()-a,size:new Blob([s]).size});try{return JSON.parse(s)}catch{throw Error(`The answer is not JSON: ${o.status} ${o.statusText}\n${s.slice(0,1e3)}`)}},O=[new FontFace(`Fira Code`,`url(${l})`,{weight:`300 700`}),new FontFace(`Inter`,`url(${m})`,{weight:`100 900`})],k=()=>Promise.allSettled(O.map(async e=>document.fonts.add(await e.load()))),A=new URL(`mark-Br7y9Wur.svg`,import.meta.url).href,j=i();function M(){return(0,j.jsxs)(j.Fragment,{children:[(0,j.jsxs)(`span`,{className:`brand`,children:[(0,j.jsx)(`img`,{src:A,alt:``,width:`22`,height:`22`}),`Driftgraph`]}),(0,j.jsxs)(`nav`,{className:`links`,children:[(0,j.jsx)(N,{}),(0,j.jsx)(`a`,{className:`graphiql-un-styled`,href:`schema.graphql`,target:`_blank`,rel:`noreferrer`,children:`Schema`})]})]})}function N(){let{tabs:e,queryEditor:t,variableEditor:i}=h(({tabs:e,queryEditor:t,variableEditor:n})=>({tabs:e,queryEditor:t,variableEditor:n})),{addTab:a,changeTab:o}=r();function s(n){let r=e.findIndex(e=>e.query===n.query);if(r>=0)return o(r);a(),t?.setValue(n.query),i?.setValue(n.variables??``)}return(0,j.jsxs)(p,{children:[(0,j.jsxs)(p.Button,{children:[`Examples `,(0,j.jsx)(n,{"aria-hidden":`true`})]}),(0,j.jsx)(p.Content,{align:`end`,className:`examples`,children:S.map(e=>(0,j.jsxs)(p.Item,{onSelect:()=>s(e),children:[e.name,(0,j.jsx)(`small`,{children:e.about})]},e.name))})]})}function P(e){return new Worker(new URL(`worker-DAv0luxW.js`,import.meta.url).href,{type:`module`,name:e?.name})}window.MonacoEnvironment={getWorker:(e,t)=>new P({name:t})};var F={light:{base:`vs`,text:`33454d`,faint:`84959b`,field:`1f6feb`,keyword:`8b3fa8`,type:`a8571a`,string:`2c7a4b`,value:`b0473e`,argument:`5d62c4`,surface:`#ffffff`,accent:`#0d8a94`,tint:`#0d8a941f`,border:`#dfe6e9`},dark:{base:`vs-dark`,text:`c3d0d6`,faint:`6f838c`,field:`7cb7ff`,keyword:`d2a1ea`,type:`eeb27b`,string:`8fd3a6`,value:`f2a099`,argument:`a9adff`,surface:`#18232a`,accent:`#3fc1c9`,tint:`#3fc1c926`,border:`#2c3a43`}},I={fontSize:14,lineHeight:20,wordWrap:`on`,wrappingIndent:`same`,scrollbar:{verticalScrollbarSize:8,useShadows:!1}},L={light:`driftgraph-light`,dark:`driftgraph-dark`};for(let e of[`light`,`dark`]){let t=F[e];_.defineTheme(L[e],{base:t.base,inherit:!0,rules:[{token:``,foreground:t.text},{token:`comment`,foreground:t.faint,fontStyle:`italic`},{token:`keyword.gql`,foreground:t.keyword},{token:`key.identifier.gql`,foreground:t.field},{token:`argument.identifier.gql`,foreground:t.argument},{token:`type.identifier.gql`,foreground:t.type},{token:`annotation.gql`,foreground:t.keyword},{token:`operator.gql`,foreground:t.faint},{token:`delimiter`,foreground:t.faint},{token:`string`,foreground:t.string},{token:`number`,foreground:t.value},{token:`string.key.json`,foreground:t.field},{token:`string.value.json`,foreground:t.string},{token:`keyword.json`,foreground:t.value}],colors:{"editor.background":`#00000000`,"editorLineNumber.foreground":`#${t.faint}99`,"editorWidget.background":t.surface,"editorWidget.border":t.border,"editorHoverWidget.background":t.surface,"editorHoverWidget.border":t.border,"editorSuggestWidget.background":t.surface,"editorSuggestWidget.border":t.border,"editorSuggestWidget.selectedBackground":t.tint,"editorSuggestWidget.selectedForeground":`#${t.text}`,"editorSuggestWidget.highlightForeground":t.accent,"editorSuggestWidget.focusHighlightForeground":t.accent,"editorBracketHighlight.foreground1":`#${t.faint}`,"editorBracketHighlight.foreground2":`#${t.faint}`,"editorBracketHighlight.foreground3":`#${t.faint}`,"editorIndentGuide.background1":`#${t.faint}26`,"editorIndentGuide.activeBackground1":`#${t.faint}59`,"list.hoverBackground":t.tint,"menu.background":t.surface,"quickInput.background":t.surface,"quickInputList.focusBackground":t.tint,"quickInputList.focusForeground":`#${t.text}`,"textLink.foreground":t.accent,"scrollbarSlider.background":`#${t.faint}40`,"scrollbarSlider.hoverBackground":`#${t.faint}66`,"scrollbarSlider.activeBackground":`#${t.faint}99`,focusBorder:t.accent}})}var R=[o],z=new Intl.NumberFormat(`en`,{style:`unit`,unit:`kilobyte`,maximumFractionDigits:1}),B=new Intl.NumberFormat(`en`,{style:`unit`,unit:`millisecond`,maximumFractionDigits:0}),V=c(d.runQuery.key).replace(`-`,` + `);function H(){let e=(0,v.useSyncExternalStore)(E.subscribe,E.latest),{tab:t,isFetching:n}=h(({tabs:e,activeTabIndex:t,isFetching:n})=>({tab:e[t],isFetching:n}));(0,v.useEffect)(()=>E.set(void 0),[t?.id]);let r=!n&&!e&&!t?.response;return(0,j.jsxs)(j.Fragment,{children:[(0,j.jsxs)(`p`,{className:`status`,children:[n&&(0,j.jsx)(`span`,{children:`Running…`}),e&&!n&&(0,j.jsxs)(j.Fragment,{children:[(0,j.jsx)(`span`,{className:e.status<400?`ok`:`failed`,children:e.status}),(0,j.jsx)(`span`,{children:B.format(e.duration)}),(0,j.jsx)(`span`,{children:z.format(e.size/1e3)})]})]}),r&&(0,j.jsxs)(`p`,{className:`invitation`,children:[`Press `,(0,j.jsx)(s,{"aria-label":`the run button`}),` or `,(0,j.jsx)(`kbd`,{children:V}),` to run `,t?.operationName??`the query`]})]})}u.shouldRender=()=>!1;function U(){return(0,j.jsxs)(f,{fetcher:D,defaultTabs:S.length?S.map(({query:e,variables:t})=>({query:e,variables:t})):void 0,defaultQuery:``,plugins:R,storage:g,editorTheme:L,children:[(0,j.jsx)(f.Logo,{children:(0,j.jsx)(M,{})}),(0,j.jsx)(f.Footer,{children:(0,j.jsx)(H,{})}),(0,j.jsx)(W,{})]})}function W(){let e=h(e=>[e.queryEditor,e.variableEditor,e.headerEditor,e.responseEditor]);return(0,v.useEffect)(()=>{e.some(e=>!e)||(e.forEach(e=>e.updateOptions(I)),requestAnimationFrame(()=>document.getElementById(`skeleton`)?.remove()))},e),null}async function G(e){C(),await k(),(0,y.createRoot)(e).render((0,j.jsx)(U,{}))}export{G as mount};