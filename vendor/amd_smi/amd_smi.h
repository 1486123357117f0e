/* The part of AMD SMI's C interface that wattmul calls, written from its documentation. No include, so that bindgen needs
 * no header of any system: libclang alone will do.
 *
 * For versions 25 (ROCm 6.4), 26 (ROCm 7) and 27 (ROCm 10). What stands here is the same in all of them: of structs that
 * differ behind, only how they begin, with room for the rest, which the library fills in as well. Before 25 a version
 * begins with the year (23, 24), and a power info has no socket_power.
 */
#ifndef WATTMUL_AMD_SMI_H
#define WATTMUL_AMD_SMI_H

typedef unsigned int uint32_t;
#ifdef __LP64__
typedef long int64_t;
typedef unsigned long uint64_t;
#else
typedef long long int64_t;
typedef unsigned long long uint64_t;
#endif

typedef uint32_t amdsmi_status_t;
#define AMDSMI_STATUS_SUCCESS 0
#define AMDSMI_STATUS_INVAL 1
#define AMDSMI_STATUS_NOT_SUPPORTED 2
#define AMDSMI_STATUS_NOT_YET_IMPLEMENTED 3
#define AMDSMI_STATUS_NO_PERM 10
#define AMDSMI_STATUS_FILE_ERROR 14
#define AMDSMI_STATUS_INIT_ERROR 18
#define AMDSMI_STATUS_BUSY 30
#define AMDSMI_STATUS_NOT_FOUND 31
#define AMDSMI_STATUS_DRIVER_NOT_LOADED 34

#define AMDSMI_INIT_AMD_GPUS 2

typedef void *amdsmi_socket_handle;
typedef void *amdsmi_processor_handle;

typedef struct {
    uint32_t major;
    uint32_t minor;
    uint32_t release;
    const char *build;
} amdsmi_version_t;

/* Watts. What a card does not give is all ones, in 16 or 32 bits: cards up to MI200 and all Radeons give the average, MI300
 * and later the current power. */
typedef struct {
    uint64_t socket_power; /* 25: not filled in; since 26 one of the other two */
    uint32_t current_socket_power;
    uint32_t average_socket_power;
    uint64_t room[100];
} amdsmi_power_info_start_t;

/* MHz. */
typedef struct {
    uint32_t clk;
    uint32_t min_clk;
    uint32_t max_clk;
    uint32_t room[100];
} amdsmi_clk_info_start_t;

/* Microwatts. */
typedef struct {
    uint64_t power_cap;
    uint64_t default_power_cap;
    uint64_t dpm_cap;
    uint64_t min_power_cap;
    uint64_t max_power_cap;
    uint64_t room[100];
} amdsmi_power_cap_info_start_t;

#define AMDSMI_MAX_STRING_LENGTH 256
typedef struct {
    char market_name[AMDSMI_MAX_STRING_LENGTH];
    uint64_t room[1000];
} amdsmi_asic_info_start_t;

#define AMDSMI_CLK_TYPE_GFX 0
#define AMDSMI_TEMPERATURE_TYPE_EDGE 0
#define AMDSMI_TEMPERATURE_TYPE_JUNCTION 1
#define AMDSMI_TEMP_CURRENT 0

amdsmi_status_t amdsmi_init(uint64_t init_flags);
amdsmi_status_t amdsmi_shut_down(void);
amdsmi_status_t amdsmi_get_lib_version(amdsmi_version_t *version);
/* With no array, how many there are; else as many as the array has room for. */
amdsmi_status_t amdsmi_get_socket_handles(uint32_t *socket_count, amdsmi_socket_handle *sockets);
amdsmi_status_t amdsmi_get_processor_handles(amdsmi_socket_handle socket, uint32_t *processor_count,
                                             amdsmi_processor_handle *processors);
/* domain<<16 | bus<<8 | device<<3 | function; a union of bit fields there. */
amdsmi_status_t amdsmi_get_gpu_device_bdf(amdsmi_processor_handle processor, uint64_t *bdf);
amdsmi_status_t amdsmi_get_gpu_asic_info(amdsmi_processor_handle processor, amdsmi_asic_info_start_t *info);
amdsmi_status_t amdsmi_get_energy_count(amdsmi_processor_handle processor, uint64_t *accumulator, float *resolution_uj,
                                        uint64_t *timestamp_ns);
amdsmi_status_t amdsmi_get_power_info(amdsmi_processor_handle processor, amdsmi_power_info_start_t *info);
amdsmi_status_t amdsmi_get_power_cap_info(amdsmi_processor_handle processor, uint32_t sensor_ind,
                                          amdsmi_power_cap_info_start_t *info);
/* Whole degrees Celsius, where ROCm SMI gives thousandths. */
amdsmi_status_t amdsmi_get_temp_metric(amdsmi_processor_handle processor, uint32_t sensor_type, uint32_t metric,
                                       int64_t *celsius);
amdsmi_status_t amdsmi_get_clock_info(amdsmi_processor_handle processor, uint32_t clk_type,
                                      amdsmi_clk_info_start_t *info);

#endif
