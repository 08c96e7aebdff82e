/**
 * The style sheet of the report. The colours of text meet WCAG 2.2 AA (4.5:1) on the ground they stand on, in both
 * schemes; a test computes it from these names.
 */
export interface Palette {
  readonly ground: string
  readonly card: string
  readonly line: string
  readonly text: string
  readonly muted: string
  readonly good: string
  readonly goodGround: string
  readonly fair: string
  readonly fairGround: string
  readonly bad: string
  readonly badGround: string
  readonly plainGround: string
}

export const LIGHT: Palette = {
  ground: '#f5f6f8',
  card: '#ffffff',
  line: '#dde1e7',
  text: '#1b2330',
  muted: '#566173',
  good: '#11683a',
  goodGround: '#e6f4ec',
  fair: '#7a4f00',
  fairGround: '#fcf2da',
  bad: '#a5211b',
  badGround: '#fcebea',
  plainGround: '#eef0f4',
}

export const DARK: Palette = {
  ground: '#11151b',
  card: '#191f27',
  line: '#2d3541',
  text: '#e5e9f0',
  muted: '#9da9ba',
  good: '#74d095',
  goodGround: '#16301f',
  fair: '#eec26b',
  fairGround: '#33290f',
  bad: '#ff9f96',
  badGround: '#3a1c1a',
  plainGround: '#242c37',
}

function variables(palette: Palette): string {
  return Object.entries(palette)
    .map(([name, value]) => `--${name}:${String(value)};`)
    .join('')
}

export const PAGE_STYLE = `
:root{color-scheme:light dark;${variables(LIGHT)}}
@media (prefers-color-scheme:dark){:root{${variables(DARK)}}}
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%}
body{margin:0;background:var(--ground);color:var(--text);font:16px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans",sans-serif;overflow-wrap:anywhere}
main{max-width:1040px;margin:0 auto;padding:24px 20px 48px}
h1,h2,h3,p,ol,ul,dl,dd{margin:0;padding:0}
ol,ul{list-style:none}
h1{font-size:1.125rem}
h2{font-size:1.25rem;line-height:1.3}
h3{font-size:1rem}
main>h2{margin:36px 0 0}
header{display:flex;flex-wrap:wrap;gap:2px 16px;align-items:baseline;justify-content:space-between}
header p,.note,.why,.ms,.legend{color:var(--muted);font-size:.875rem}
.address{font:.875rem/1.45 ui-monospace,"SF Mono",Menlo,Consolas,"DejaVu Sans Mono",monospace}
.icon{width:20px;height:20px;flex:none;fill:none;stroke:currentColor;stroke-width:1.8;stroke-linecap:round;stroke-linejoin:round}
.hidden{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%);white-space:nowrap}
.card{background:var(--card);border:1px solid var(--line);border-radius:12px;padding:20px 24px;margin-top:16px}
.banner{display:flex;gap:16px;align-items:flex-start;margin-top:16px;padding:22px 24px;border-radius:12px;border:1px solid currentColor}
.banner .icon{width:36px;height:36px}
.banner h2{font-size:1.5rem}
.banner p{color:var(--text);font-size:1.0625rem;margin-top:2px;max-width:70ch}
.banner.tone-good,.result.tone-good,.chip.tone-good{color:var(--good);background:var(--goodGround)}
.banner.tone-fair,.result.tone-fair,.chip.tone-fair{color:var(--fair);background:var(--fairGround)}
.banner.tone-bad,.result.tone-bad,.chip.tone-bad{color:var(--bad);background:var(--badGround)}
.chip.tone-unknown,.chip.tone-plain{color:var(--muted);background:var(--plainGround)}

.path{display:flex;margin:16px 0 4px}
.path+h3{margin-top:24px}
.card>h3:not(:first-child){margin-top:20px}
.step{flex:1 1 0;min-width:0;display:flex;flex-direction:column;align-items:center;text-align:center;padding:0 8px;position:relative}
.step .icon{width:52px;height:52px;padding:12px;border-radius:50%;background:var(--plainGround);stroke-width:1.5;margin-bottom:8px;position:relative}
.step:not(:first-child)::before{content:"";position:absolute;top:25px;right:calc(50% + 30px);width:calc(100% - 60px);border-top:2px solid var(--muted)}
.step-title{font-weight:600}
.step-dead-end .icon,.step-portal .icon{color:var(--bad);background:var(--badGround)}
.step-dead-end:not(:first-child)::before,.step-portal:not(:first-child)::before{border-top-style:dashed;border-color:var(--bad)}
.step-internet .icon{color:var(--good);background:var(--goodGround)}
.servers{margin-top:4px}
.server{display:grid;grid-template-columns:minmax(200px,320px) 1fr;gap:8px 20px;padding:12px 0;border-top:1px solid var(--line);align-items:start}
.server:first-child{border-top:0}
.server:last-child{padding-bottom:0}
h2+p{margin-top:4px}
.server-name .note{display:block}
.chips{display:flex;flex-wrap:wrap;gap:6px}
.chip,.result{display:inline-flex;align-items:center;gap:6px;border-radius:99px;padding:2px 12px 2px 7px;font-size:.875rem;font-weight:600}
.chip .icon,.result .icon{width:17px;height:17px;stroke-width:2.2}
.chip-word{font-weight:400}

table{width:100%;border-collapse:collapse;margin-top:12px}
th,td{text-align:left;vertical-align:top;padding:10px 16px 10px 0;border-top:1px solid var(--line)}
thead th{border-top:0;color:var(--muted);font-size:.8125rem;font-weight:600;padding-top:0}
tbody th{font-weight:500}
td .note,th .note,td .address{display:block;font-weight:400}
.predictions th[scope=row]{width:38%}
.outcome{display:grid;grid-template-columns:218px 1fr;gap:2px 16px}
.outcome>:first-child{display:flex;flex-wrap:wrap;gap:2px 8px;align-items:center;align-self:start}
.outcome .note{display:inline}
.predictions .why{margin-top:3px}
.legend{display:grid;grid-template-columns:repeat(auto-fit,minmax(340px,1fr));gap:2px 24px;border-top:1px solid var(--line);padding-top:12px;font-size:.8125rem}
.legend div{display:flex;gap:8px}
.legend dt{font-weight:600;min-width:3.6em}
.remedies{counter-reset:remedy;margin-top:8px}
.remedies li{counter-increment:remedy;position:relative;padding:8px 0 8px 44px}
.remedies li::before{content:counter(remedy);position:absolute;left:0;top:8px;width:28px;height:28px;border-radius:50%;background:var(--plainGround);font-weight:600;font-size:.875rem;line-height:28px;text-align:center}
.remedies strong{font-weight:600}
.remedies .why{display:block}

.facts{margin-top:8px}
.fact{display:grid;grid-template-columns:220px 1fr;gap:0 20px;padding:9px 0;border-top:1px solid var(--line)}
.fact:first-child{border-top:0}
.fact dt{display:flex;gap:8px;font-weight:500}
.fact.detail dt{padding-left:28px}
.fact dt .icon{width:18px;height:18px;margin-top:3px;color:var(--muted)}
.fact.tone-plain dt .icon{visibility:hidden}
.fact.tone-good dt .icon{color:var(--good)}
.fact.tone-fair dt .icon{color:var(--fair)}
.fact.tone-bad dt .icon{color:var(--bad)}
.row{display:flex;gap:2px 16px;justify-content:space-between;align-items:baseline;padding-right:24px;position:relative}
.value{min-width:0}
.value strong{font-weight:600}
.meaning{color:var(--muted)}
.fact.tone-unknown .value strong{color:var(--muted);font-weight:400}
.sure{display:flex;gap:8px;align-items:baseline;flex:none;white-space:nowrap}
.badge{font-size:.8125rem;color:var(--muted);border:1px solid transparent;border-radius:6px;padding:0 6px;min-width:5.4em;text-align:center}
.badge-inferred{border:1px dashed var(--muted)}
.badge-unknown{border:1px dotted var(--muted)}
.evidence{margin:4px 0 2px;padding-left:18px;list-style:disc;font-size:.875rem;color:var(--muted)}
summary{cursor:pointer;border-radius:4px}
summary.row{list-style:none}
summary.row::-webkit-details-marker{display:none}
summary.row::after{content:"";position:absolute;right:4px;top:.5em;width:7px;height:7px;border:solid var(--muted);border-width:0 2px 2px 0;transform:rotate(45deg)}
[open]>summary.row::after{transform:rotate(225deg);top:.75em}
summary:hover .value,summary:hover .meaning{text-decoration:underline dotted;text-underline-offset:3px}
summary:focus-visible,pre:focus-visible{outline:2px solid currentColor;outline-offset:2px}
pre{font:.8125rem/1.5 ui-monospace,"SF Mono",Menlo,Consolas,"DejaVu Sans Mono",monospace;white-space:pre-wrap;background:var(--plainGround);border-radius:8px;padding:14px;margin:10px 0 0}
.hint{color:var(--muted);font-size:.875rem}
.pair{display:grid;grid-template-columns:1fr 1fr;gap:0 16px;align-items:start}

@media (max-width:800px){
.pair{grid-template-columns:1fr}
.path{flex-direction:column;gap:22px}
.step{flex:none;display:grid;grid-template-columns:44px 1fr;gap:0 14px;text-align:left;padding:0;justify-items:start;align-content:start;min-height:44px}
.step .icon{width:44px;height:44px;padding:10px;grid-row:1/span 20;align-self:start;margin:0}
.step>:not(.icon){grid-column:2}
.step:not(:first-child)::before{content:none}
.step:not(:last-child)::after{content:"";position:absolute;top:47px;bottom:-19px;left:21px;border-left:2px solid var(--muted)}
.step:has(+.step-dead-end)::after,.step:has(+.step-portal)::after{border-left-style:dashed;border-color:var(--bad)}
.server,.outcome{grid-template-columns:1fr}
}
@media (max-width:560px){
main{padding:16px 12px 32px}
.card,.banner{padding:16px;border-radius:10px}
.banner{gap:12px}
.banner .icon{width:28px;height:28px}
.fact{grid-template-columns:1fr}
.fact dd{padding-left:26px}
.fact.detail dd{padding-left:54px}
.fact dt{color:var(--muted);font-size:.875rem}
.fact dt .icon{margin-top:1px}
.row{flex-wrap:wrap}
.badge{min-width:0}
th,td{padding-right:10px}
.predictions th[scope=row]{width:40%}
}
@media (prefers-reduced-motion:reduce){*{transition:none!important;animation:none!important;scroll-behavior:auto!important}}
@media print{
:root{${variables({ ...LIGHT, ground: '#ffffff' })}}
body{font-size:11pt}
main{max-width:none;padding:0}
.card,.banner{border-radius:0;padding:10pt}
.banner,.path,.server,.fact,tr,.remedies li{break-inside:avoid-page}
h2,h3{break-after:avoid-page}
.hint,summary.row::after{display:none}
details::details-content{content-visibility:visible;block-size:auto}
pre{display:none}
}
`
