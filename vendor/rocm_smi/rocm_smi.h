/* The part of ROCm SMI's C interface that wattmul calls, written from its documentation. No include, so that bindgen needs
 * no header of any system: libclang alone will do.
 *
 * Two types changed with ROCm 6.0 and carry the release in their name here. A distribution's build may call itself 1.0.0
 * whatever it is: rsmi_dev_power_get, which came in the same release, tells which of the two a library means.
 */
#ifndef WATTMUL_ROCM_SMI_H
#define WATTMUL_ROCM_SMI_H

typedef unsigned short uint16_t;
typedef unsigned int uint32_t;
typedef unsigned char uint8_t;
#ifdef __LP64__
typedef long int64_t;
typedef unsigned long uint64_t;
typedef unsigned long size_t;
#else
typedef long long int64_t;
typedef unsigned long long uint64_t;
typedef unsigned int size_t;
#endif

typedef uint32_t rsmi_status_t;
#define RSMI_STATUS_SUCCESS 0
#define RSMI_STATUS_INVALID_ARGS 1
#define RSMI_STATUS_NOT_SUPPORTED 2
#define RSMI_STATUS_FILE_ERROR 3
#define RSMI_STATUS_PERMISSION 4
#define RSMI_STATUS_INIT_ERROR 8
#define RSMI_STATUS_NOT_YET_IMPLEMENTED 9
#define RSMI_STATUS_NOT_FOUND 10
#define RSMI_STATUS_BUSY 16

/* Known since ROCm 6.2, and without effect before. */
#define RSMI_INIT_FLAG_THREAD_ONLY_MUTEX 0x400000000000000

typedef struct {
    uint32_t major;
    uint32_t minor;
    uint32_t patch;
    const char *build;
} rsmi_version_t;

#define RSMI_MAX_FREQUENCIES_5 32
typedef struct {
    uint32_t num_supported;
    uint32_t current;
    uint64_t frequency[RSMI_MAX_FREQUENCIES_5];
} rsmi_frequencies_5_t;

#define RSMI_MAX_FREQUENCIES_6 33
typedef struct {
    uint8_t has_deep_sleep; /* a bool of C++ */
    uint32_t num_supported;
    uint32_t current;
    uint64_t frequency[RSMI_MAX_FREQUENCIES_6];
} rsmi_frequencies_6_t;

/* Either of them: the library fills in its own. */
typedef union {
    rsmi_frequencies_5_t before_6;
    rsmi_frequencies_6_t since_6;
} rsmi_frequencies_any_t;

typedef uint32_t rsmi_power_type_t;
#define RSMI_AVERAGE_POWER 0
#define RSMI_CURRENT_POWER 1

#define RSMI_TEMP_TYPE_EDGE 0
#define RSMI_TEMP_TYPE_JUNCTION 1
#define RSMI_TEMP_CURRENT 0
#define RSMI_CLK_TYPE_SYS 0
#define RSMI_DEV_PERF_LEVEL_AUTO 0

/* How a GPU's table of metrics begins. Up to throttle_status the same in every release; the rest since 6.0. Releases append
 * to it, so that there is room behind. */
typedef struct {
    uint16_t structure_size;
    uint8_t format_revision;
    uint8_t content_revision;
    uint16_t temperatures[6];
    uint16_t activities[3];
    uint16_t average_socket_power;
    uint64_t energy_accumulator;
    uint64_t system_clock_counter;
    uint16_t average_clocks[7];
    uint16_t current_clocks[7];
    uint32_t throttle_status;
    uint16_t fan_and_link[3];
    uint32_t activity_accumulators[2];
    uint16_t temperature_hbm[4];
    uint64_t firmware_timestamp;
    uint16_t voltages[3];
    uint64_t indep_throttle_status;
    uint64_t room[2000];
} rsmi_gpu_metrics_start_t;

rsmi_status_t rsmi_init(uint64_t init_flags);
rsmi_status_t rsmi_version_get(rsmi_version_t *version);
rsmi_status_t rsmi_num_monitor_devices(uint32_t *num_devices);
rsmi_status_t rsmi_dev_name_get(uint32_t dv_ind, char *name, size_t len);
rsmi_status_t rsmi_dev_pci_id_get(uint32_t dv_ind, uint64_t *bdfid);
rsmi_status_t rsmi_dev_energy_count_get(uint32_t dv_ind, uint64_t *count, float *resolution_uj, uint64_t *timestamp_ns);
rsmi_status_t rsmi_dev_power_ave_get(uint32_t dv_ind, uint32_t sensor_ind, uint64_t *power_uw);
rsmi_status_t rsmi_dev_power_get(uint32_t dv_ind, uint64_t *power_uw, rsmi_power_type_t *type);
rsmi_status_t rsmi_dev_power_cap_get(uint32_t dv_ind, uint32_t sensor_ind, uint64_t *cap_uw);
rsmi_status_t rsmi_dev_power_cap_default_get(uint32_t dv_ind, uint64_t *cap_uw);
rsmi_status_t rsmi_dev_power_cap_range_get(uint32_t dv_ind, uint32_t sensor_ind, uint64_t *most_uw, uint64_t *least_uw);
rsmi_status_t rsmi_dev_power_cap_set(uint32_t dv_ind, uint32_t sensor_ind, uint64_t cap_uw);
rsmi_status_t rsmi_dev_temp_metric_get(uint32_t dv_ind, uint32_t sensor_type, uint32_t metric, int64_t *millidegrees);
rsmi_status_t rsmi_dev_gpu_clk_freq_get(uint32_t dv_ind, uint32_t clk_type, rsmi_frequencies_any_t *frequencies);
rsmi_status_t rsmi_dev_gpu_clk_freq_set(uint32_t dv_ind, uint32_t clk_type, uint64_t freq_bitmask);
rsmi_status_t rsmi_dev_gpu_metrics_info_get(uint32_t dv_ind, rsmi_gpu_metrics_start_t *metrics);
rsmi_status_t rsmi_perf_determinism_mode_set(uint32_t dv_ind, uint64_t clock_mhz);
rsmi_status_t rsmi_dev_perf_level_get(uint32_t dv_ind, uint32_t *level);
rsmi_status_t rsmi_dev_perf_level_set_v1(uint32_t dv_ind, uint32_t level);

#endif
