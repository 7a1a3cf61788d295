# embed.cmake - turns the profiles into rows of a C table, so that the program needs no folder of
# them when it runs.  cmake -DOUTPUT=FILE -DINPUTS="a.profile;b.profile" -P embed.cmake
set(rows "")
foreach(input IN LISTS INPUTS)
    get_filename_component(name ${input} NAME_WLE)
    file(READ ${input} text)
    string(REPLACE "\\" "\\\\" text "${text}")
    string(REPLACE "\"" "\\\"" text "${text}")
    string(REPLACE "\n" "\\n\"\n     \"" text "${text}")
    string(APPEND rows "    {\"${name}\",\n     \"${text}\"},\n")
endforeach()
file(WRITE ${OUTPUT} "${rows}")
