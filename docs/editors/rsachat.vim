" Vim syntax of rsachat's conversations (*.chat); the language is in docs/SCRIPTS.md.
" Copy this file to ~/.vim/syntax/rsachat.vim (Neovim: ~/.config/nvim/syntax/), and put this line into
" ~/.vim/ftdetect/rsachat.vim:
"   autocmd BufRead,BufNewFile *.chat setfiletype rsachat

if exists("b:current_syntax")
  finish
endif

" What may stand inside a text; a lone dollar is a dollar.
syntax match  rsachatEscape    /\$\$\|\$u{\x\{1,6}}\|\$key{[^}]*}/ contained
syntax match  rsachatValue     /\${[^}]*}/ contained
syntax match  rsachatAny       /\$\*\{1,2}/ contained
syntax match  rsachatCommand   /\%(^\%([^>|[:blank:]]*> \)\=\)\@<=:[^: \t]\S*/ contained
syntax cluster rsachatTyped    contains=rsachatEscape,rsachatValue,rsachatCommand
syntax cluster rsachatPattern  contains=rsachatEscape,rsachatValue,rsachatAny

" A line without a name is typed by the one actor there is.
syntax match  rsachatBare      /^[^#@>|].*$/ contains=@rsachatTyped
syntax match  rsachatComment   /^#.*$/ contains=@Spell
syntax match  rsachatTypedLine /^[^#@>|[:blank:]:]*> .*$\|^[^#@>|[:blank:]:]*>$/ contains=rsachatActor,@rsachatTyped
syntax match  rsachatSeenLine  /^[^#@>|[:blank:]:]*| .*$\|^[^#@>|[:blank:]:]*|$/ contains=rsachatGutter,@rsachatPattern
syntax match  rsachatEventLine /^[^#@>|[:blank:]:]*|[*!] .*$/ contains=rsachatGutter,@rsachatPattern
syntax match  rsachatRegexLine /^[^#@>|[:blank:]:]*|\~ .*$/ contains=rsachatGutter
syntax match  rsachatActor     /^[^>|]*>/ contained
syntax match  rsachatGutter    /^[^>|]*|[~!*]\=/ contained

syntax match  rsachatUnknown   /^@.*$/
syntax match  rsachatDirective /^@\%(actors\|seed\|exact\|open\|lenient\|tag\|set\|include\|file\|together\|unordered\|end\|tick\|kill\|start\|disk\|backup\|restore\|cut\|corrupt\|hold\|release\|live\|timeout\|quiet\|wait\|skip\|halt\|draft\|say\|spawn\|ready\|env\|mask\|at\|same\|absent\|expect-file\|width\|plain\|json\)\%(\s.*\)\=$/ contains=rsachatWord,rsachatNumber,rsachatEscape,rsachatValue
syntax match  rsachatWord      /^@\a\+/ contained
syntax match  rsachatNumber    /\<\%(\d\+\%(ms\|[dhms]\|[KM]iB\)\=\)\+\>/ contained
syntax region rsachatFile      matchgroup=rsachatWord start=/^@file\s\+\S\+\s\+<<\z(\S\+\)\s*$/ end=/^\z1$/

highlight default link rsachatComment   Comment
highlight default link rsachatActor     Identifier
highlight default link rsachatCommand   Function
highlight default link rsachatGutter    Delimiter
highlight default link rsachatSeenLine  String
highlight default link rsachatEventLine Special
highlight default link rsachatRegexLine String
highlight default link rsachatEscape    SpecialChar
highlight default link rsachatValue     Constant
highlight default link rsachatAny       SpecialChar
highlight default link rsachatWord      PreProc
highlight default link rsachatDirective Normal
highlight default link rsachatNumber    Number
highlight default link rsachatFile      String
highlight default link rsachatUnknown   Error

let b:current_syntax = "rsachat"
