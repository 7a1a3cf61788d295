/*
 * How the HTML report looks. Colours are variables, so that light, dark and print are one set of
 * pictures. Series colours are those of Okabe and Ito ("Color Universal Design", 2008), darkened or
 * lightened until they stand 3 : 1 against the ground; each series has a dash of its own beside.
 */
#include "page.h"

const char *const sgl_page_style[] = {
    ":root{--ground:#fff;--ink:#1c1e21;--soft:#5c636b;--rule:#d9dde1;--panel:#f6f7f8;"
    "--s0:#0068a8;--s1:#c44e00;--s2:#007a58;--s3:#a8457f;--s4:#8a6a00;--s5:#3d4a9e;"
    "--good:#00694b;--bad:#a83200;--equal:#5c636b;--band:.16}\n",
    "@media (prefers-color-scheme:dark){:root:not([data-theme=light]){--ground:#15181b;"
    "--ink:#e7e9eb;--soft:#a3abb3;--rule:#363c42;--panel:#1d2125;--s0:#5bb4ec;--s1:#f0934a;"
    "--s2:#3fc79c;--s3:#e39ac4;--s4:#e0bd3c;--s5:#a4aff5;--good:#4cc9a0;--bad:#f59a63;"
    "--equal:#a3abb3;--band:.22}}\n",
    ":root[data-theme=dark]{--ground:#15181b;--ink:#e7e9eb;--soft:#a3abb3;--rule:#363c42;"
    "--panel:#1d2125;--s0:#5bb4ec;--s1:#f0934a;--s2:#3fc79c;--s3:#e39ac4;--s4:#e0bd3c;"
    "--s5:#a4aff5;--good:#4cc9a0;--bad:#f59a63;--equal:#a3abb3;--band:.22}\n",
    "*{box-sizing:border-box}html{background:var(--ground);color:var(--ink);"
    "font:16px/1.5 system-ui,-apple-system,'Segoe UI',Roboto,'Helvetica Neue',Arial,sans-serif}\n"
    "body{margin:0}main{max-width:1120px;margin:0 auto;padding:1.2rem 1rem 4rem}\n",
    "h1{font-size:1.05rem;font-weight:600;margin:0;color:var(--soft)}h2{font-size:1.25rem;"
    "line-height:1.25;margin:2.6rem 0 .5rem;padding-top:.6rem;border-top:1px solid var(--rule)}\n"
    "h3{font-size:1rem;margin:1.4rem 0 .3rem}p{margin:.4rem 0 .8rem;max-width:46rem}\n",
    "section:first-of-type h2{border:0;margin-top:.2rem;padding-top:0}\n"
    "a{color:var(--s0)}.skip{position:absolute;left:-99em}.skip:focus{left:1rem;top:.5rem;"
    "background:var(--ground);padding:.3rem}\n",
    ".verdict{font-size:1.2rem;line-height:1.45;max-width:52rem}.note{color:var(--soft);"
    "font-size:.9rem}.arm{font-weight:700}code,.mono{font-family:ui-monospace,SFMono-Regular,"
    "Menlo,Consolas,monospace;font-size:.86em;overflow-wrap:anywhere}\n",
    "@media (min-width:700px){caption{white-space:nowrap}}.kind{display:inline-block;border:1px "
    "solid var(--rule);border-radius:3px;padding:0 .45em;"
    "font-size:.85rem;margin-right:.5em}.arms{list-style:none;padding:0;margin:.6rem 0}"
    ".arms li{margin:.2rem 0}\n",
    ".swatch{display:inline-block;width:1.9em;height:.8em;vertical-align:-.02em;margin-right:.3em}"
    "nav ol{list-style:none;padding:0;margin:1rem 0 0;display:flex;flex-wrap:wrap;gap:.2rem "
    "1rem;font-size:.9rem}\n",
    ".box{background:var(--panel);border-left:4px solid var(--rule);padding:.7rem 1rem;"
    "border-radius:2px}.box dt{font-weight:600;margin-top:.5rem}.box dd{margin:0;max-width:46rem}"
    ".box dl,.box "
    "ul{margin:0}details{margin-top:.7rem}summary{cursor:pointer}.warn{border-left-color:var(--bad)"
    "}\n",
    ".scroll{overflow-x:auto;margin:.6rem 0 1rem}.scroll:focus{outline:2px solid var(--s0)}"
    "table{border-collapse:collapse;font-size:.88rem;font-variant-numeric:tabular-nums}"
    "caption{text-align:left;color:var(--soft);font-size:.88rem;padding:.2rem 0}\n",
    "th,td{padding:.16rem .6rem;text-align:right;white-space:nowrap}th{font-weight:600;"
    "border-bottom:1px solid var(--ink);vertical-align:bottom}tbody th{border:0;font-weight:400;"
    "text-align:left}td.l,th.l{text-align:left}tr.first td,tr.first th{border-top:1px solid "
    "var(--rule)}\n",
    "td.wrap{white-space:normal;min-width:14rem}.better{color:var(--good);font-weight:600}"
    ".worse{color:var(--bad);font-weight:600}.equal,.not_shown,.unknown{color:var(--equal)}"
    "td.heat{text-align:center;min-width:2.6em}\n",
    ".grid{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,310px),1fr));"
    "gap:.6rem 1.2rem;margin:.6rem 0}figure{margin:0;break-inside:avoid}svg.plot{width:100%;"
    "height:auto;display:block;max-width:460px}@media (min-width:620px){.grid.pairs{"
    "grid-template-columns:repeat(2,minmax(0,460px))}}\n",
    "svg text{fill:var(--soft);font-size:11px;font-family:inherit}svg .head{fill:var(--ink);"
    "font-size:12px;font-weight:600}svg .frame{stroke:var(--rule);fill:none}svg .tick{"
    "stroke:var(--rule);stroke-width:1}svg .zero{stroke:var(--soft);stroke-width:1}svg "
    ".line.hair{stroke-width:1.1}\n",
    "svg .line{fill:none;stroke-width:1.8;stroke-linejoin:round}svg .thin{fill:none;"
    "stroke-width:.8;opacity:.75}svg .band{opacity:var(--band);stroke:none}svg .limit{"
    "fill:none;stroke-width:1.2;stroke-dasharray:2 3}svg "
    ".rule{stroke:var(--soft);stroke-width:1;stroke-dasharray:2 3}svg "
    ".margin{fill:var(--soft);opacity:.12}"
    "svg .shade{fill:var(--soft);opacity:.16}\n",
    ".s0{stroke:var(--s0)}.s1{stroke:var(--s1);stroke-dasharray:7 3}.s2{stroke:var(--s2);"
    "stroke-dasharray:2 2.5}.s3{stroke:var(--s3);stroke-dasharray:8 2 2 2}.s4{stroke:var(--s4);"
    "stroke-dasharray:4 2}.s5{stroke:var(--s5);stroke-dasharray:1 2}.thin{stroke-dasharray:none}\n",
    ".f0{fill:var(--s0)}.f1{fill:var(--s1)}.f2{fill:var(--s2)}.f3{fill:var(--s3)}"
    ".f4{fill:var(--s4)}.f5{fill:var(--s5)}svg text.f0{fill:var(--s0)}svg text.f1{"
    "fill:var(--s1)}svg text.f2{fill:var(--s2)}svg text.f3{fill:var(--s3)}svg text.f4{"
    "fill:var(--s4)}svg text.f5{fill:var(--s5)}\n",
    "svg .label{font-weight:700;font-size:12px}.t0{color:var(--s0)}.t1{color:var(--s1)}"
    ".t2{color:var(--s2)}.t3{color:var(--s3)}.t4{color:var(--s4)}.t5{color:var(--s5)}"
    "svg.forest{width:170px;height:16px;vertical-align:middle}svg.forest .est{fill:var(--ink)}"
    "svg.forest .iv{stroke:var(--ink);stroke-width:1.4}\n",
    "#theme{float:right;font:inherit;font-size:.85rem;color:var(--soft);background:none;"
    "border:1px solid var(--rule);border-radius:3px;padding:.1rem .5rem;cursor:pointer}"
    "dl.facts{display:grid;grid-template-columns:minmax(6rem,max-content) 1fr;gap:.15rem 1rem;"
    "font-size:.88rem}dl.facts dt{color:var(--soft)}dl.facts dd{margin:0;min-width:0;"
    "overflow-wrap:anywhere}\n",
    "tbody th,thead th:first-child{position:sticky;left:0;background:var(--ground)}.box tbody th,"
    ".box thead th:first-child{background:var(--panel)}.narrow{display:none}@media "
    "(max-width:900px){table.figures{font-size:.8rem}table.figures "
    ".wide{display:none}table.figures td,table.figures th{"
    "padding:.16rem .35rem}}\n",
    "@media (max-width:520px){html{font-size:15px}.verdict{font-size:1.08rem}th,td{padding:.16rem "
    ".4rem}.narrow{display:block}table.figures{font-size:.76rem}table.figures .more{display:none}"
    "table.figures td,table.figures th{padding:.16rem .2rem}dl.facts{display:block}dl.facts "
    "dd{margin:0 0 .4rem}}\n",
    "@media print{:root{--ground:#fff;--ink:#000;--soft:#444}#theme,.skip,nav{display:none}"
    "main{max-width:none;padding:0}h2{break-after:avoid}.scroll{overflow:visible}}\n",
    NULL,
};

/* Without scripts the theme is the reader's system's; with them it can be turned over. */
const char sgl_page_script[] =
    "<script>\n(function(){var root=document.documentElement,b=document.createElement('button');\n"
    "b.id='theme';b.type='button';b.textContent='Light / dark';\n"
    "b.onclick=function(){var dark=root.dataset.theme?root.dataset.theme==='dark':\n"
    "matchMedia('(prefers-color-scheme:dark)').matches;root.dataset.theme=dark?'light':'dark';};\n"
    "document.querySelector('main').prepend(b);})();\n</script>\n";
